from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy
import pytest

from lampion_edge.doctor.wheel import mismatch

OWN = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, None),
        ({f"x.{OWN}-x86_64-linux-gnu.so": elf(62)}, None),
        ({"x.abi3.so": elf(62), "libs/y.so.3": elf(62)}, None),
        ({f"x.{OWN}-aarch64-linux-gnu.so": elf(183)}, "it is for 64-bit ARM, this is x86-64"),
        ({"deep/er/x.so": elf(40), "y.so": elf(243)}, "it is for 32-bit ARM and RISC-V, this is x86-64"),
        ({"x.so": elf(9999)}, "it is for another processor, this is x86-64"),
        ({"x.cpython-39-x86_64-linux-gnu.so": elf(62)}, f"it is for Python 3.9, this is {THIS}"),
        ({"x.so": b"not a library"}, None),
    ],
)
def test_what_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], said: str | None
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert mismatch(tmp_path) == said


def test_a_package_that_works() -> None:
    assert mismatch(Path(numpy.__file__).parent) is None
