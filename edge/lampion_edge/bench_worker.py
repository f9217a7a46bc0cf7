"""Measures one setting and prints it as lines of JSON; `bench` and `tune` start a process of this for each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from lampion_edge.errors import EdgeError
from lampion_edge.golden import Array
from lampion_edge.runtime import Settings
from lampion_edge.samples import sample_inputs
from lampion_edge.session import Session


@dataclass(frozen=True)
class Setting:
    """What to measure: `batch` samples in one call, for `seconds`, with `axes` as sizes of other dynamic axes.

    `runtime` is how: the fields of `lampion_edge.runtime.Settings`; none are what a Session takes by itself. The same
    is measured `times` over.
    """

    model: str
    runtime: Mapping[str, Any]
    batch: int = 1
    seconds: float = 1.0
    axes: Mapping[str, int] = field(default_factory=dict)
    times: int = 1


@dataclass(frozen=True)
class Measured:
    """Latencies of one call in ms, samples a second, resident bytes.

    `cold_start` is what importing onnxruntime, loading the model and the first call take together, in ms.
    """

    threads: int
    calls: int
    p50: float
    p90: float
    p99: float
    throughput: float
    cold_start: float
    memory: int | None


def measure(setting: Setting) -> Iterator[Measured]:
    """Runs the model for the setting's time, as often as it says. Raises EdgeError."""
    start = perf_counter()
    session = Session(setting.model, settings=Settings(**setting.runtime) if setting.runtime else None)
    loaded = perf_counter()
    inputs = sample_inputs(session, setting.batch, setting.axes)
    first = perf_counter()
    session.run(inputs)
    cold_start = (loaded - start + perf_counter() - first) * 1000
    for _ in range(setting.times):
        calls = _calls(session, inputs, setting.seconds)
        p50, p90, p99 = (float(value) * 1000 for value in np.percentile(calls, [50, 90, 99]))
        throughput = setting.batch * len(calls) / sum(calls)
        yield Measured(session.threads, len(calls), p50, p90, p99, throughput, cold_start, resident())


def _calls(session: Session, inputs: Mapping[str, Array], duration: float) -> list[float]:
    """Seconds that each call took, one after the other for so many seconds, at least one."""
    calls: list[float] = []
    end = perf_counter() + duration
    while not calls or perf_counter() < end:
        before = perf_counter()
        session.run(inputs)
        calls.append(perf_counter() - before)
    return calls


def resident() -> int | None:
    """Bytes of memory this process holds now, None where the system doesn't say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    import resource

    return pages * resource.getpagesize()


if __name__ == "__main__":
    try:
        for result in measure(Setting(**json.loads(sys.argv[1]))):
            print(json.dumps(asdict(result)), flush=True)
    except EdgeError as error:
        print(json.dumps({"error": str(error), "hint": error.hint}))
