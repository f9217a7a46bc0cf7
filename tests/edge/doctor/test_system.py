from __future__ import annotations

from pathlib import Path

import pytest
from edge.boards import PI4, write

from lampion_edge.doctor import system


@pytest.mark.parametrize(
    ("version", "level", "said"),
    [
        ("2.41", "ok", "glibc 2.41"),
        ("2.28", "ok", "glibc 2.28"),
        ("2.24", "wrong", "glibc 2.24: the wheels need 2.28 or newer"),
        (None, "wrong", "not glibc (musl?): PyPI has no onnxruntime for it"),
    ],
)
def test_c_library(version: str | None, level: str, said: str) -> None:
    found = system.c_library(version)
    assert (found.level, found.said) == (level, said)
    assert bool(found.cure) is (level == "wrong")


@pytest.mark.parametrize(
    ("machine", "said"), [("armv7l", "a 32-bit system;"), ("aarch64", "although the kernel has 64;")]
)
def test_32_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str, said: str) -> None:
    monkeypatch.setattr("sys.maxsize", 2**31 - 1)
    monkeypatch.setattr("platform.machine", lambda: machine)
    board = next(iter(system.findings(write(tmp_path, PI4))))
    assert (board.level, "64-bit system" in board.cure) == ("warning", True)
    assert board.said.startswith("Raspberry Pi 4 Model B Rev 1.4")
    assert said in board.said


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 9, 2))
    monkeypatch.setattr("platform.python_version", lambda: "3.9.2")
    found = {finding.what: finding for finding in system.findings()}
    assert (found["python"].level, found["python"].said) == ("wrong", "3.9.2 is too old")
