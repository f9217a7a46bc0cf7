"""The processes of a server, and the memory they hold."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def family(parent: int) -> list[int]:
    """The process and all below it."""
    parents = {pid: _parent(pid) for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))}
    found = [parent]
    for pid in found:
        found += [child for child, above in parents.items() if above == pid]
    return found


def workers(parent: int) -> list[int]:
    """Those that answer: the leaders of groups of their own, or the process itself if it answers alone."""
    below = family(parent)[1:]
    return [pid for pid in below if _group(pid) == pid] or [parent]


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def files(pid: int) -> int:
    """How many files and connections a process has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _parent(pid: int) -> int:
    return _stat(pid)[1]


def _group(pid: int) -> int:
    return _stat(pid)[2]


def _stat(pid: int) -> tuple[int, int, int]:
    """The process, its parent, its group."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return pid, 0, 0
    return pid, int(fields[1]), int(fields[2])


def answers(pid: int, port: int) -> bool:
    """Whether a process holds a connection that somebody made to this port of ours."""
    held = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            held.add(os.readlink(link))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    made = {f"socket:[{line[9]}]" for line in lines if line[3] == "01" and int(line[1].rpartition(":")[2], 16) == port}
    return bool(held & made)
