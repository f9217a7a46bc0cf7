"""Every program through every exporter, each in a process of its own: some exporters crash, some never end."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from export.programs.program import programs
from oracle.programs.exporters import EXPORTERS, Outcome, Status, outcome
from oracle.programs.twin import twins
from tqdm import tqdm

SECONDS = 120
Key = tuple[str, str]  # a program's family and name
Results = dict[str, dict[str, Outcome]]  # by program, exporter
FORK = multiprocessing.get_context("fork")
OURS = {(p.family, p.name): p for p in programs()}
TWINS = twins()


def run(exporters: Sequence[str], processes: int = 2, only: Sequence[str] | None = None) -> Results:
    """The outcomes of all programs, or of `only` some by `family.name`, with a progress bar."""
    first = next(iter(OURS))
    for exporter in exporters:  # what it imports is imported once, before the processes part
        outcome(EXPORTERS[exporter], OURS[first], TWINS[first])
    tasks = [(key, exporter) for key in OURS if not only or ".".join(key) in only for exporter in exporters]
    results: Results = {}
    with ThreadPoolExecutor(processes) as threads:
        for (key, exporter), found in zip(tasks, tqdm(threads.map(_apart, tasks), total=len(tasks)), strict=True):
            results.setdefault(".".join(key), {})[exporter] = found
    return results


def _apart(task: tuple[Key, str]) -> Outcome:
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_send, args=(*task, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(SECONDS) else Outcome(Status.REFUSED, f"not done after {SECONDS} s")
    except EOFError:
        process.join()
        return Outcome(Status.REFUSED, f"the process ends with signal {-(process.exitcode or 0)}")
    finally:
        process.kill()


def _send(key: Key, exporter: str, pipe: Connection) -> None:
    pipe.send(outcome(EXPORTERS[exporter], OURS[key], TWINS[key]))
