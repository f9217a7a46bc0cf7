"""How many cores this process may really use, and how many of them are worth a thread."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lampion_edge import board

if TYPE_CHECKING:
    from pathlib import Path

# Beside cores that are faster than this, a slow one only makes the others wait: every operator ends with the last thread.
_SLOW = 0.75


def good_threads(root: str | Path = "/") -> int:
    """Threads for one model: one on each usable core, the slow ones of a big.LITTLE processor left out.

    One on 32-bit ARM: with several, the only onnxruntime there is for it (Debian 13's) aborts when a session ends.
    """
    if board.is_32_bit_arm():
        return 1
    clocks = board.max_clocks(root)
    known = [clock for clock in clocks if clock]
    fast = sum(clock > _SLOW * max(known) for clock in known) if len(known) == len(clocks) and known else len(clocks)
    return min(usable_cores(root), fast or usable_cores(root))


def usable_cores(root: str | Path = "/") -> int:
    """Cores allowed by the affinity mask and by the CPU quotas of cgroup v1 and v2, at least 1.

    A container limited to 2 of 64 cores still sees 64; one thread for each would make them fight. `root` is where
    /proc and /sys are looked for.
    """
    quotas = [quota for group in _cgroups(root) if (quota := _quota(group)) is not None]
    return max(1, math.ceil(min([_affinity(), *quotas])))


def _affinity() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        return os.cpu_count() or 1


def _cgroups(root: str | Path) -> Iterator[str]:
    """This process's cgroup folders and their parents: the tightest quota on the way up counts."""
    for line in (board.read(root, "proc/self/cgroup") or "").splitlines():
        hierarchy, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if hierarchy == "0":
            mount = os.path.join(root, "sys/fs/cgroup")
        elif "cpu" in controllers.split(","):
            mount = os.path.join(root, "sys/fs/cgroup", controllers)
        else:
            continue
        folder = os.path.join(mount, path.strip("/"))
        while len(folder) > len(mount):
            yield folder
            folder = os.path.dirname(folder)
        yield mount


def _quota(group: str) -> float | None:
    """Cores that a cgroup's quota amounts to, None without one."""
    version2 = (board.read(group, "cpu.max") or "").split()
    version1 = [board.read(group, f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    for pair in (version2, version1):
        if len(pair) == 2 and all(part.strip().isdecimal() for part in pair) and int(pair[1]) > 0:
            return int(pair[0]) / int(pair[1])
    return None
