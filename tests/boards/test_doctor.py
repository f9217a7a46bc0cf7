"""`doctor` finds what really is wrong: broken wheels, a 32-bit system, heat, a damaged file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from boards.conftest import emulated

from lampion_export.emulation.boards import State
from lampion_export.emulation.userland import usual_packages, wheels

NUMPY, ONNXRUNTIME, _ = usual_packages()
X86 = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64")
Found = dict[str, tuple[str, str, str]]


def doctor(name: str, *words: str | Path, **how: Any) -> Found:
    """The last finding of each kind: level, what is said, cure."""
    done = emulated(name, "-m", "lampion_edge", "doctor", "--json", *words, **how)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (int(any(line["level"] == "wrong" for line in found)), "")
    return {line["what"]: (line["level"], line["said"], line["cure"]) for line in found}


def test_an_onnxruntime_that_dies_of_an_illegal_instruction(models: Path) -> None:
    """1.21.0 is built for processors newer than the Cortex-A72 of a Raspberry Pi 4."""
    found = doctor("pi4", models / "digits.onnx", packages=[NUMPY, "onnxruntime==1.21.0"])
    level, said, cure = found["onnxruntime"]
    assert (level, said.startswith("1.21.0 dies of an illegal instruction (SIGILL)")) == ("wrong", True)
    assert "onnxruntime>=1.21.1" in cure
    assert found["model"][:1] == ("wrong",)
    assert "dies of an illegal instruction" in found["model"][1]
    assert found["pillow"][0] == "warning"
    assert "not installed" in found["pillow"][1]


def test_wheels_for_another_machine() -> None:
    found = doctor("pi5", site=wheels([NUMPY, ONNXRUNTIME], tags=X86))
    for name in ("numpy", "onnxruntime"):
        level, said, cure = found[name]
        assert level == "wrong"
        assert said.endswith("is a wrong wheel: it is for x86-64, this is 64-bit ARM")
        assert "--force-reinstall" in cure


def test_a_32_bit_system_and_a_damaged_file(models: Path, tmp_path: Path) -> None:
    damaged = bytearray((models / "digits.onnx").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "m.onnx").write_bytes(damaged)
    found = doctor("pi2", tmp_path / "m.onnx")
    assert found["board"][0] == "warning"
    assert "a 32-bit system" in found["board"][1]
    assert [found[name][0] for name in ("numpy", "onnxruntime", "pillow")] == ["ok"] * 3
    assert found["model"][0] == "wrong"
    assert "the graph is not the one its card describes" in found["model"][1]


def test_a_board_that_suffers() -> None:
    suffering = State(celsius=85, throttled=0x50005, free_memory=60)
    done = emulated("pi4", "-m", "lampion_edge", "doctor", "--json", state=suffering)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [line["said"] for line in found if line["level"] == "wrong" and line["cure"]]
    assert wrong == [
        *("under-voltage now", "throttled now", "the processor has 85 degrees"),
        "62.9 MB of 4026.5 MB free, 104.9 MB swap",
    ]
