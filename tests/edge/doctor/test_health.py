from __future__ import annotations

from pathlib import Path

import pytest
from edge.boards import PI4, THROTTLED, cpufreq, write

from lampion_edge.doctor import health

MEMORY = "MemTotal: 1000000 kB\nMemAvailable: {} kB\nSwapTotal: 0 kB\n"
LOW = cpufreq(dict.fromkeys(range(4), 1_800_000), now=600_000, governor="powersave")


@pytest.mark.parametrize(
    ("files", "want"),
    [
        ({}, [("ok", "nothing holds it back, 48 degrees"), ("ok", "3084.6 MB of 3977.6 MB free")]),
        ({THROTTLED: "50005\n"}, [("wrong", "under-voltage now"), ("wrong", "throttled now"), ("ok", "3084.6 MB")]),
        ({THROTTLED: "10000\n"}, [("warning", "under-voltage since it was switched on"), ("ok", "")]),
        ({"sys/class/thermal/thermal_zone0/temp": "85000"}, [("wrong", "the processor has 85 degrees"), ("ok", "")]),
        ({"proc/meminfo": MEMORY.format(150_000)}, [("ok", "nothing"), ("warning", "153.6 MB of 1024.0 MB free")]),
        ({"proc/meminfo": MEMORY.format(50_000)}, [("ok", "nothing"), ("wrong", "51.2 MB of 1024.0 MB free")]),
        (LOW, [("warning", "cores [0, 1, 2, 3] stay at their lowest clock"), ("ok", "")]),
    ],
)
def test_findings(tmp_path: Path, files: dict[str, str], want: list[tuple[str, str]]) -> None:
    found = list(health.findings(write(tmp_path, PI4 | files)))
    assert [finding.level for finding in found] == [level for level, _ in want]
    assert all(finding.said.startswith(said) for finding, (_, said) in zip(found, want, strict=True))
    assert all(bool(finding.cure) is (finding.level != "ok") for finding in found)
