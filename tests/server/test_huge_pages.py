"""What is in use moves onto huge pages, and nothing else does."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import numpy as np
import pytest
from server.conftest import linux

from lampion_server.huge_pages import gather

MEGABYTE = 1 << 20

pytestmark = pytest.mark.skipif(not linux(6, 1), reason="Linux before 6.1 doesn't gather pages when asked to")


def on_huge_pages(address: int) -> tuple[int, int]:
    """Bytes of the mapping around this address that are in memory, and those of them on huge pages."""
    found = (0, 0)
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())[1:]:
        start, end = (int(place, 16) for place in part.split(maxsplit=1)[0].split("-"))
        if start <= address < end:
            lines = dict(re.findall(r"(?m)^(\w+): +(\d+) kB", part))
            found = 1024 * int(lines["Rss"]), 1024 * int(lines["AnonHugePages"])
    return found


def test_what_is_in_use_moves_and_what_is_not_takes_no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with mmap.mmap(-1, 64 * MEGABYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        pixels = np.frombuffer(memory, np.uint8)
        pixels[: 40 * MEGABYTE] = np.random.default_rng(0).integers(0, 256, 40 * MEGABYTE, np.uint8)
        pixels[50 * MEGABYTE] = 1  # alone in its huge page
        before, copy = on_huge_pages(pixels.ctypes.data), pixels[: 40 * MEGABYTE].copy()
        monkeypatch.setattr("lampion_server.huge_pages._MAPS", part_of_maps(pixels.ctypes.data, tmp_path / "maps"))
        gather()
        after = on_huge_pages(pixels.ctypes.data)
        assert before[1] == 0
        assert after[1] >= 36 * MEGABYTE  # the first and the last may be shared with what isn't in use
        assert after[0] == before[0]
        np.testing.assert_array_equal(pixels[: 40 * MEGABYTE], copy)
        del pixels


def part_of_maps(address: int, path: Path) -> Path:
    """The mapping around this address alone: what other tests have left behind would take seconds."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(place, 16) for place in line.split()[0].split("-"))
        if start <= address < end:
            path.write_text(line)
    return path


@pytest.mark.parametrize("file", ["_SIZE", "_MAPS"])
def test_where_the_system_has_none_nothing_happens(file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(f"lampion_server.huge_pages.{file}", tmp_path / "nowhere")
    gather()
