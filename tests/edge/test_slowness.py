from __future__ import annotations

from pathlib import Path

import pytest
from edge.boards import PI4, THROTTLED, cpufreq, write

from lampion_edge.slowness import reasons

FULL = cpufreq(dict.fromkeys(range(4), 1_800_000))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (PI4 | FULL, []),
        (PI4 | FULL | {THROTTLED: "50005"}, ["under-voltage now: use the power supply", "throttled now: let it cool"]),
        (PI4 | FULL | {THROTTLED: "10000"}, ["under-voltage since it was switched on"]),
        (PI4 | FULL | {"sys/class/thermal/thermal_zone0/temp": "84500"}, ["has 84 degrees: let it cool"]),
        (PI4, ["core 0 runs at 600 of 1800 MHz, governor ondemand"]),
        ({}, []),
    ],
)
def test_reasons(tmp_path: Path, files: dict[str, str], words: list[str]) -> None:
    found = list(reasons(1, write(tmp_path, files)))
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_more_threads_than_cores(tmp_path: Path) -> None:
    (sentence,) = reasons(1000, tmp_path)
    assert sentence.startswith("1000 threads on ")
