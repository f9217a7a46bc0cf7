"""A fresh Raspberry Pi: pip, running on it, installs the wheel and what it needs; then the first photo is labelled.

    python tests/boards/fresh_install.py WHEEL MODEL PHOTO [BOARD]

prints what the photo shows and what each package takes on the disk. The board is emulated.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pip

from lampion_edge.terminal import megabytes, table
from lampion_export.emulation.boards import BOARDS
from lampion_export.emulation.machine import python

# What the folders hold goes before everything; then the module is run as `python -m` would.
RUN = """
import runpy, sys
module, *sys.path[:0] = sys.argv[1].split(":")
del sys.argv[1]
runpy.run_module(module, run_name="__main__")
"""


def installed(board: str, wheel: Path, folder: Path) -> None:
    """Has the board's own pip install the wheel with its extra `image` into the folder."""
    carried = folder.with_name("pip-itself")
    carried.mkdir()
    (carried / "pip").symlink_to(Path(pip.__file__).parent)
    arguments = ["install", "--quiet", "--no-compile", "--disable-pip-version-check", "--root-user-action=ignore"]
    on_board(board, "pip", [carried], *arguments, "--target", folder, f"{wheel}[image]")


def on_board(board: str, module: str, folders: list[Path], *words: str | Path) -> str:
    """What a module prints on a board that has nothing but what is in the folders."""
    with tempfile.TemporaryDirectory() as nothing:
        program = python(BOARDS[board], site=Path(nothing))
    place = ":".join([module, *map(str, folders)])
    done = subprocess.run([program, "-c", RUN, place, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each package in the folder, native libraries that lie beside it included."""
    found: dict[str, int] = {}
    for file in (path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).parts[0].split(".")[0].split("-")[0]
        found[name] = found.get(name, 0) + file.stat().st_size
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def main(wheel: Path, model: Path, photo: Path, board: str = "pi4") -> None:
    """Installs, labels, prints."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        installed(board, wheel.absolute(), site)
        print(BOARDS[board].model)
        print(on_board(board, "lampion_edge", [site], "run", model.absolute(), photo.absolute()))
        found = sizes(site)
        rows = [(name, megabytes(size)) for name, size in found.items()]
        print(table([*rows, ("together", megabytes(sum(found.values())))], "<>"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), *sys.argv[4:])
