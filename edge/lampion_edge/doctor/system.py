"""The board, its system and its Python: can there be wheels for it at all?"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from lampion_edge import board
from lampion_edge.doctor import Finding

_OLDEST_GLIBC = (2, 28)
_OLDEST_PYTHON = (3, 11)
_DEBIANS = (
    "install the 64-bit system; or, on Debian 13: apt install python3-numpy python3-onnxruntime python3-pil, and in a venv "
    "with --system-site-packages: pip install --no-deps lampion-edge"
)


def findings(root: str | Path = "/") -> Iterator[Finding]:
    """Looks at the board, Python and the C library."""
    yield _board(root)
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding("python", "wrong", f"{version} is too old", "take Python 3.11 or newer (Debian 12 has it)")
    else:
        yield Finding("python", "ok", f"{version}, {sys.executable}")
    if sys.platform == "linux":
        yield c_library(_glibc())


def _board(root: str | Path) -> Finding:
    name = board.model(root)
    if not board.is_32_bit_arm():
        return Finding("board", "ok", f"{name}, {platform.machine()}")
    kernel = ", although the kernel has 64" if platform.machine() == "aarch64" else ""
    said = f"{name}: a 32-bit system{kernel}; PyPI has no numpy, onnxruntime or Pillow for it"
    return Finding("board", "warning", said, _DEBIANS)


def c_library(version: str | None) -> Finding:
    """Whether wheels can be linked with this glibc, such as "2.36"; None stands for another library."""
    if version is None:
        cure = "take a system with glibc: Raspberry Pi OS, Debian, or a container of them"
        return Finding("libc", "wrong", "not glibc (musl?): PyPI has no onnxruntime for it", cure)
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < _OLDEST_GLIBC:
        said = f"glibc {version}: the wheels need {'.'.join(map(str, _OLDEST_GLIBC))} or newer"
        return Finding("libc", "wrong", said, "update the system: Debian 12 or newer")
    return Finding("libc", "ok", f"glibc {version}")


def _glibc() -> str | None:
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return None
    return version if name == "glibc" else None
