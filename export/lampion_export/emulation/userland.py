"""What runs on a simulated board: qemu, Python and its packages for ARM, each fetched once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from lampion_export.emulation import debian
from lampion_export.emulation.making import call, fingerprint, made

QEMU = {"arm64": "qemu-aarch64", "armhf": "qemu-arm"}
_PYTHON = ("python3-minimal", f"libpython{debian.PYTHON}-stdlib")
# 64-bit boards take their packages from PyPI, which has none for 32-bit ones: there they are Debian's.
_PACKAGES = {
    "arm64": (*_PYTHON, "libstdc++6"),
    "armhf": (*_PYTHON, "python3-numpy", "python3-onnxruntime", "python3-pil"),
}
_TAGS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")


def qemu(architecture: str) -> Path:
    """The program that runs programs of this architecture; 10 or newer, whose /proc/cpuinfo is that of its processor."""
    program = QEMU[architecture]
    return made(f"qemu-{debian.SUITE}", _qemu, what="qemu, about 30 MB") / program


def userland(architecture: str) -> Path:
    """A folder with Debian's Python for this architecture below usr/."""

    def build(target: Path) -> None:
        debian.unpack(target, architecture, _PACKAGES[architecture])
        # A folder that is missing here would be looked for on the host.
        (target / f"usr/local/lib/python{debian.PYTHON}/dist-packages").mkdir(parents=True)
        for library in target.glob(
            "usr/lib/*/*/lib*.so.3"
        ):  # one of several BLAS, which an installed system has chosen
            (library.parent.parent / library.name).symlink_to(library.relative_to(library.parent.parent))

    size = {"arm64": "85", "armhf": "260"}[architecture]
    return made(f"{architecture}-{debian.SUITE}", build, what=f"Debian's Python for {architecture}, about {size} MB")


def usual_packages() -> list[str]:
    """numpy, onnxruntime and Pillow, as they are installed here: what differs is then the processor's doing."""
    return [_as_here(name) for name in ("numpy", "onnxruntime", "pillow")]


def _as_here(name: str) -> str:
    try:
        return f"{name}=={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def wheels(specifiers: Sequence[str], *, tags: Sequence[str] = ()) -> Path:
    """A folder with the genuine wheels for 64-bit boards of packages such as "numpy" or "onnxruntime==1.21.0".

    `tags` are platforms to take them for instead.
    """
    platforms = [part for tag in tags or [f"{tag}_aarch64" for tag in _TAGS] for part in ("--platform", tag)]

    def build(target: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        place = ["--target", str(target), "--only-binary=:all:", "--implementation", "cp"]
        call([*pip, *place, "--python-version", debian.PYTHON, *platforms, *specifiers], why="pip")

    name = f"wheels-{fingerprint(debian.PYTHON, *platforms, *sorted(specifiers))}"
    return made(name, build, what=f"wheels for {' '.join(platforms[1::2][:1])}: {', '.join(specifiers)}")


def _qemu(target: Path) -> None:
    host = call(["dpkg", "--print-architecture"], why="dpkg").strip()
    everything = target / "package"
    debian.unpack(everything, host, ["qemu-user"], with_dependencies=False)
    for program in QEMU.values():
        (everything / "usr/bin" / program).rename(target / program)
    call(["rm", "-r", everything], why="rm")
