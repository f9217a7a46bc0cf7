from __future__ import annotations

import os
from pathlib import Path

import pytest
from edge.boards import cpufreq, write

from lampion_edge import threads, usable_cores
from lampion_edge.threads import good_threads

SELF, V1, V2 = "proc/self/cgroup", "sys/fs/cgroup/cpu,cpuacct/x", "sys/fs/cgroup"
QUOTA, PERIOD = f"{V1}/cpu.cfs_quota_us", f"{V1}/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({SELF: "0::/\n", f"{V2}/cpu.max": "200000 100000\n"}, 2),
        ({SELF: "0::/\n", f"{V2}/cpu.max": "max 100000\n"}, 8),
        ({SELF: "0::/\n", f"{V2}/cpu.max": "150000 100000\n"}, 2),
        ({SELF: "0::/\n", f"{V2}/cpu.max": "10000 100000\n"}, 1),
        ({SELF: "0::/\n", f"{V2}/cpu.max": "6400000 100000\n"}, 8),
        ({SELF: "0::/\n", f"{V2}/cpu.max": "garbage"}, 8),
        ({SELF: "0::/a/b\n", f"{V2}/a/cpu.max": "300000 100000", f"{V2}/a/b/cpu.max": "max 100000"}, 3),
        ({SELF: "0::/host/path\n", f"{V2}/cpu.max": "400000 100000\n"}, 4),
        ({SELF: "4:cpu,cpuacct:/x\n", QUOTA: "300000", PERIOD: "100000"}, 3),
        ({SELF: "4:cpu,cpuacct:/x\n", QUOTA: "-1", PERIOD: "100000"}, 8),
        ({SELF: "4:memory:/x\n", f"{V2}/memory/x/cpu.max": "100000 100000"}, 8),
        ({SELF: "nonsense\n\n"}, 8),
    ],
)
def test_quotas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int) -> None:
    monkeypatch.setattr(threads, "_affinity", lambda: 8)
    assert usable_cores(write(tmp_path, files)) == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity call")
def test_affinity(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores(tmp_path) == len(allowed)


PI5 = dict.fromkeys(range(4), 2_400_000)
BIG_LITTLE = dict.fromkeys(range(4), 1_800_000) | dict.fromkeys(range(4, 6), 2_400_000 + 1)


@pytest.mark.parametrize(
    ("clocks", "cores", "want"),
    [
        ({}, 8, 8),
        (PI5, 8, 4),
        (PI5, 2, 2),
        (BIG_LITTLE, 8, 2),
        (BIG_LITTLE, 1, 1),
        ({0: 3_000_000, 1: 2_900_000}, 8, 2),
    ],
)
def test_good_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clocks: dict[int, int], cores: int, want: int
) -> None:
    monkeypatch.setattr(threads, "_affinity", lambda: cores)
    assert good_threads(write(tmp_path, cpufreq(clocks))) == want


def test_one_thread_on_32_bit_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lampion_edge.board.is_32_bit_arm", lambda: True)
    assert good_threads(write(tmp_path, cpufreq(dict.fromkeys(range(4), 900_000)))) == 1
