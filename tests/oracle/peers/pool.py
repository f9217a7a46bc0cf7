"""All comparisons, on all cores.

Imports neither torch nor numpy, so that a worker can limit their threads before it loads them.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import warnings
from collections.abc import Callable, Collection
from concurrent.futures import ProcessPoolExecutor, as_completed
from fnmatch import fnmatch

from oracle.peers.outcome import Outcome, Status, not_planned
from tqdm import tqdm

# What PyTorch keeps a database of, and in which respects an entry can agree.
DATABASES = {
    "ops": ("forward", "gradient", "second gradient"),
    "modules": ("forward", "gradient"),
    "optimizers": ("steps",),
}

Results = dict[str, dict[str, dict[str, Outcome]]]  # by database, entry, kind


def run(
    wanted: Callable[[str, str], bool], *, full: bool = False, processes: int | None = None, progress: bool = True
) -> Results:
    """Compares the entries for which wanted(database, name) holds."""
    results: Results = {database: {} for database in DATABASES}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes or os.cpu_count(), context, _start_worker) as workers:
        listed = {database: workers.submit(_names, database) for database in DATABASES}
        tasks = {
            workers.submit(_run, database, name, full): (database, name)
            for database, names in listed.items()
            for name in names.result()
            if wanted(database, name)
        }
        for done in tqdm(as_completed(tasks), total=len(tasks), unit="entry", disable=not progress):
            database, name = tasks[done]
            results[database][name] = done.result()
    return {database: dict(sorted(by_name.items())) for database, by_name in results.items()}


def selection(patterns: Collection[str]) -> Callable[[str, str], bool]:
    """For `run`: entries whose name, with or without variant, fits one of the patterns; all where there are none."""
    return lambda _, name: not patterns or any(fnmatch(name, p) or fnmatch(name, f"{p}/*") for p in patterns)


def _start_worker() -> None:
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    warnings.simplefilter("ignore")


def _names(database: str) -> list[str]:
    return list(importlib.import_module(f"oracle.peers.{database}").names())


def _run(database: str, name: str, full: bool) -> dict[str, Outcome]:
    outcomes = importlib.import_module(f"oracle.peers.{database}").run(name, full=full)
    reason = not_planned().get(name.partition("/")[0])
    absent = reason is not None and outcomes[DATABASES[database][0]].status in (Status.MISSING, Status.NOTHING)
    return dict.fromkeys(outcomes, Outcome(Status.NOT_PLANNED, str(reason))) if absent else outcomes
