"""numpy, onnxruntime and Pillow: there, built for this machine, and alive when they are imported?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from lampion_edge import board
from lampion_edge.doctor import Finding, child
from lampion_edge.doctor.child import Ended
from lampion_edge.doctor.wheel import mismatch
from lampion_edge.pillow import INSTALL


@dataclass(frozen=True)
class Package:
    """Its name on PyPI and on Debian, the module to import, and what pip is told when it dies of an instruction."""

    name: str
    debian: str
    module: str
    newer: str


PACKAGES = (
    Package("numpy", "python3-numpy", "numpy", "numpy"),
    Package("onnxruntime", "python3-onnxruntime", "onnxruntime", "onnxruntime>=1.21.1"),  # 1.21.0 dies on Cortex-A72
    Package("pillow", "python3-pil", "PIL.Image", "pillow"),
)
# What the dynamic linker says, and what helps.
_CURES = (
    ("GLIBC", "the system is older than the wheel: update it (Debian 12 or newer), or take an older version of {name}"),
    ("cannot open shared object file", "install the library that is named, with apt"),
    ("No module named", "pip install --force-reinstall --no-cache-dir {name}"),
)


def findings() -> Iterator[Finding]:
    """Looks at each package; imports it in a process of its own."""
    for package in PACKAGES:
        yield _finding(package)


def _finding(package: Package) -> Finding:
    spec = find_spec(package.module.partition(".")[0])
    if spec is None:
        return _absent(package)
    folder = Path((spec.submodule_search_locations or [spec.origin or ""])[0])
    version = _version(package)
    if wrong := mismatch(folder):
        said = f"{version} in {folder} is a wrong wheel: {wrong}"
        return Finding(package.name, "wrong", said, _again(package))
    module = package.module.partition(".")[0]
    ended = child.python("-c", f"import {package.module}, {module}; print({module}.__version__)")
    if ended.code == 0:
        return Finding(package.name, "ok", f"{ended.out.strip()}, {folder}")
    return Finding(package.name, "wrong", f"{version} {how_it_died(ended)}", _cure(package, ended))


def _absent(package: Package) -> Finding:
    if package.name == "pillow":
        said = "not installed: PNG photos are read all the same, other formats not"
        return Finding(
            package.name, "warning", said, f"apt install {package.debian}" if board.is_32_bit_arm() else INSTALL
        )
    return Finding(package.name, "wrong", "not installed", _again(package))


def _version(package: Package) -> str:
    try:
        return metadata.version(package.name)
    except metadata.PackageNotFoundError:
        return "the installed one"


def _again(package: Package) -> str:
    if board.is_32_bit_arm():
        return f"apt install {package.debian}"
    return f"on this machine, with this Python: pip install --force-reinstall --no-cache-dir {package.name}"


def how_it_died(ended: Ended) -> str:
    """The end of a process in words."""
    if ended.signal == "SIGILL":
        return "dies of an illegal instruction (SIGILL): it was built for another processor than this"
    if ended.signal == "SIGKILL":
        return "was killed (SIGKILL): probably there was no memory left"
    return f"dies of {ended.signal}" if ended.signal else f"can't be imported: {ended.last_words}"


def _cure(package: Package, ended: Ended) -> str:
    if ended.signal == "SIGILL" and not board.is_32_bit_arm():
        return f"in a venv without the system's packages: pip install --upgrade '{package.newer}'"
    if ended.signal == "SIGKILL":
        return "stop other programs, or add swap"
    known = (cure.format(name=package.name) for mark, cure in _CURES if mark in ended.err)
    return next(known, _again(package))
