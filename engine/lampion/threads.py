"""How many threads compute: numpy's matrix products here, and whole graphs where the exporter runs them."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")  # in the order in which OpenBLAS heeds them

_chosen: int | None = None


def get_num_threads() -> int:
    """How many threads compute: as `set_num_threads` said, else OPENBLAS_NUM_THREADS or OMP_NUM_THREADS, else all cores
    that this process may use.
    """
    return _chosen or _from_environment() or usable_cores()


def set_num_threads(num: int) -> None:
    """Sets how many threads compute, from now on and in graphs that are compiled from now on.

    Raises RuntimeError for anything but an int of at least 1.
    """
    global _chosen
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise RuntimeError(f"set_num_threads: expected an int of at least 1, got {num!r}")
    _chosen = num
    _tell_numpy(num)


def heed_quota(root: str | Path = "/") -> None:
    """Tells numpy of a container's quota, which its library for matrix products, unlike us, does not look at."""
    if _from_environment() is None and usable_cores(root) < _affinity():
        _tell_numpy(usable_cores(root))


def usable_cores(root: str | Path = "/") -> int:
    """The cores that this process may run on, at most as many as the quotas of its control groups amount to (rounded up)."""
    shares = [share for folder in _control_groups(Path(root)) if (share := _share(folder)) is not None]
    return max(1, min([_affinity(), *shares]))


def _from_environment() -> int | None:
    values = [os.environ.get(name, "").partition(",")[0] for name in VARIABLES]
    return next((int(v) for v in values if v.isdecimal() and int(v)), None)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _control_groups(root: Path) -> list[Path]:
    """Where quotas may stand: this process's groups and all above them, in both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        steps = [step for step in path.split("/") if step]
        found += [top.joinpath(*steps[:i]) for i in range(len(steps) + 1)]
    return found


def _share(folder: Path) -> int | None:
    """Cores by the quota of one control group: microseconds to run in, of how many."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal() and int(quota) and int(period):
            return -(-int(quota) // int(period))
    return None


def _tell_numpy(num: int) -> None:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        library.set_num_threads(num)


heed_quota()  # as early as numpy is ours
