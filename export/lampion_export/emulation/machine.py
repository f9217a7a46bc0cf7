"""A simulated board that is ready to run: a program that is its python3."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lampion_edge
from lampion_export.emulation import debian
from lampion_export.emulation.boards import IDLE, Board, State, files
from lampion_export.emulation.making import fingerprint, home, made
from lampion_export.emulation.userland import qemu, userland, usual_packages, wheels

# What the host's own Python and libraries are told, and the board's must not hear.
_HOSTS_OWN = (
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
)


def python(board: Board, state: State = IDLE, packages: Sequence[str] | None = None, site: Path | None = None) -> Path:
    """The board's python3, which has this lampion_edge, as a program for the host.

    What it starts as sys.executable runs on the board as well. A path is the board's where the board has it
    (/proc/meminfo, /sys, /usr/lib), else the host's. `packages` are wheels for a 64-bit board, by default those that are
    installed here; `site` is a folder of packages to take instead. Raises EdgeError.
    """
    by_wheel = board.architecture == "arm64" and site is None
    with ThreadPoolExecutor() as fetching:
        fetching.submit(qemu, board.architecture)  # its error comes when the script asks for it
        later = fetching.submit(userland, board.architecture)
        site = wheels(packages or usual_packages()) if by_wheel else site
        system = later.result()
    package = Path(lampion_edge.__file__).parent
    shown = files(board, state)
    name = f"machines/{fingerprint(shown, package, _script(board, system, Path(), site))}"

    def build(target: Path) -> None:
        for path, text in shown.items():
            (target / "root" / path).parent.mkdir(parents=True, exist_ok=True)
            (target / "root" / path).write_text(text)
        (target / "root/usr").symlink_to(system / "usr")
        (target / "root/lib").symlink_to("usr/lib")
        (target / "lampion").mkdir()
        (target / "lampion/lampion_edge").symlink_to(package)
        (target / "python3").write_text(_script(board, system, home() / name, site))
        (target / "python3").chmod(0o755)

    return made(name, build) / "python3"


def _script(board: Board, system: Path, machine: Path, site: Path | None) -> str:
    """Shell, so that the board's Python can start itself: the kernel runs a script, but no program for ARM."""
    folders = [str(machine / "lampion"), *([str(site)] if site else [])]
    said = {
        "PYTHONHOME": str(system / "usr"),
        "PYTHONPATH": ":".join(folders),
        "PYTHONPYCACHEPREFIX": str(home() / "pycache"),
    }
    command = [
        *(qemu(board.architecture), "-cpu", board.processor, "-L", machine / "root"),
        *(part for name in _HOSTS_OWN for part in ("-U", name)),
        *(part for name, text in (said | {"PYTHONNOUSERSITE": "1"}).items() for part in ("-E", f"{name}={text}")),
    ]
    words = shlex.join(map(str, command))
    interpreter = shlex.quote(str(system / f"usr/bin/python{debian.PYTHON}"))
    # Its argv[0] is this very file: by that Python knows what sys.executable is.
    return f'#!/bin/sh\nulimit -c 0\nexec {words} -0 "$0" {interpreter} "$@"\n'
