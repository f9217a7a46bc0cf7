"""How much memory this process may really use."""

from __future__ import annotations

import os
from pathlib import Path

_FILES = ("memory.max", "memory.limit_in_bytes")  # of cgroup v2 and v1


def usable_memory(root: str | Path = "/") -> int:
    """Bytes of the machine's memory, or of the tightest cgroup limit above this process. `root` holds /proc and /sys."""
    root = Path(root)
    limits = [limit for folder in _cgroups(root) for file in _FILES if (limit := _limit(folder / file))]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *limits])


def _cgroups(root: Path) -> list[Path]:
    folders: list[Path] = []
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return folders
    for line in lines:
        hierarchy, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if hierarchy == "0" or "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup" / ("" if hierarchy == "0" else "memory")
            folder = mount / path.lstrip("/")
            folders += [folder, *(parent for parent in folder.parents if parent.is_relative_to(mount))]
    return folders


def _limit(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) > 0 else None
