from __future__ import annotations

from pathlib import Path

import pytest
from edge.boards import PI4, THROTTLED, write

from lampion_edge import board

ZONE = "sys/class/thermal/thermal_zone"


def test_a_raspberry_pi(tmp_path: Path) -> None:
    root = write(tmp_path, PI4)
    assert board.model(root) == "Raspberry Pi 4 Model B Rev 1.4"
    assert board.cores(root) == [board.Core(number, 600.0, 1800.0, "ondemand") for number in range(4)]
    assert board.temperature(root) == 48.212
    assert board.throttling(root) == ([], [])
    assert board.memory(root) == board.Memory(3884404 * 1024, 3012345 * 1024, 102396 * 1024)


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    assert board.model(tmp_path)
    assert board.cores(tmp_path) == []
    assert [board.temperature(tmp_path), board.throttling(tmp_path), board.memory(tmp_path)] == [None, None, None]


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"proc/cpuinfo": "model name\t: Some CPU @ 2.00GHz\n"}, "Some CPU @ 2.00GHz"),
        ({"proc/cpuinfo": "model name\t: ARMv7\nModel\t: Raspberry Pi 2\n"}, "Raspberry Pi 2"),
    ],
)
def test_names(tmp_path: Path, files: dict[str, str], name: str) -> None:
    assert board.model(write(tmp_path, files)) == name


@pytest.mark.parametrize(
    ("zones", "degrees"),
    [
        ({"acpitz": "90000", "cpu-thermal": "50000"}, 50.0),
        ({"gpu-thermal": "40000", "pmic": "60500"}, 60.5),
        ({"cpu-thermal": "garbage"}, None),
        ({"cpu-thermal": "-5000"}, -5.0),
    ],
)
def test_temperature(tmp_path: Path, zones: dict[str, str], degrees: float | None) -> None:
    for number, (kind, text) in enumerate(zones.items()):
        write(tmp_path, {f"{ZONE}{number}/type": kind + "\n", f"{ZONE}{number}/temp": text + "\n"})
    assert board.temperature(tmp_path) == degrees


@pytest.mark.parametrize(
    ("text", "now", "before"),
    [
        ("0", [], []),
        ("50005", ["under-voltage", "throttled"], ["under-voltage", "throttled"]),
        ("0x80008", ["soft temperature limit"], ["soft temperature limit"]),
        ("20000\n", [], ["clock capped"]),
    ],
)
def test_throttling(tmp_path: Path, text: str, now: list[str], before: list[str]) -> None:
    assert board.throttling(write(tmp_path, {THROTTLED: text})) == (now, before)


def test_a_core_that_is_switched_off(tmp_path: Path) -> None:
    write(tmp_path, PI4 | {"sys/devices/system/cpu/cpu3/online": "0\n"})
    assert [core.number for core in board.cores(tmp_path)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("machine", "largest", "answer"),
    [
        ("armv7l", 2**31 - 1, True),
        ("aarch64", 2**31 - 1, True),
        ("aarch64", 2**63 - 1, False),
        ("i686", 2**31 - 1, False),
    ],
)
def test_32_bit_arm(monkeypatch: pytest.MonkeyPatch, machine: str, largest: int, answer: bool) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("sys.maxsize", largest)
    assert board.is_32_bit_arm() is answer
