"""What an installed package was built for, by its native libraries."""

from __future__ import annotations

import platform
import re
import sys
from itertools import islice
from pathlib import Path

from lampion_edge import board

# e_machine in the ELF header (elf.h).
_MACHINES = {3: "32-bit x86", 40: "32-bit ARM", 62: "x86-64", 183: "64-bit ARM", 243: "RISC-V"}
_HERE = {"x86_64": "x86-64", "aarch64": "64-bit ARM", "riscv64": "RISC-V"}
_FEW = 40


def mismatch(package: Path) -> str | None:
    """What the package in this folder is for, if that isn't this machine and this Python."""
    libraries = sorted(islice(package.rglob("*.so*"), _FEW))
    machines = {machine for library in libraries if (machine := _machine(library))}
    here = "32-bit ARM" if board.is_32_bit_arm() else _HERE.get(platform.machine())
    if machines and here and here not in machines:
        return f"it is for {' and '.join(sorted(machines))}, this is {here}"
    tags = [match[1] for library in libraries if (match := re.search(r"\.cpython-(\d+)", library.name))]
    own = f"{sys.version_info.major}{sys.version_info.minor}"
    if tags and own not in tags:
        return f"it is for Python {tags[0][0]}.{tags[0][1:]}, this is {sys.version_info.major}.{sys.version_info.minor}"
    return None


def _machine(library: Path) -> str | None:
    try:
        with library.open("rb") as file:
            header = file.read(20)
    except OSError:
        return None
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    return _MACHINES.get(int.from_bytes(header[18:20], "little"), "another processor")
