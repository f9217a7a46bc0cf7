"""One scenario: all its peers started, then measured in turn, round by round."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from peers import BARE, BYTES, LARGE, NUMBERS, PHOTOS, SERVERS, Peer
from processes import Running, running

from lampion_edge import EdgeError, ServiceError, Session
from lampion_edge.client import parsed
from lampion_server.load import generating
from lampion_server.load.requests import http_request


@dataclass(frozen=True)
class Scenario:
    """What is asked: `questions` are arrays or photos, `workers` is how many processes a peer gets that wants a number."""

    name: str
    model: Path
    questions: Sequence[object]
    connections: int
    workers: int
    files: Sequence[Path] = ()  # the photos, for the bare loop


@dataclass
class Result:
    """Of each round the answers per second, and at half of their median p50 and p99 in ms."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failed: int = 0
    busy: float = 0.0  # the generator's share of a core at most
    late: float = 0.0  # the p99 in ms, at most, of how far the generator itself was behind its plan at half load
    punctual: bool = False  # whether it ran before all others then

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Asked:
    """A peer that has given a right answer, and what it is asked from then on."""

    running: Running
    requests: list[bytes]


Say = Callable[[str], None]


def measure(
    scenario: Scenario, peers: Sequence[Peer], rounds: int, seconds: float, cache: Path, say: Say
) -> dict[str, Result]:
    """Answers per second and latency of each peer; one that doesn't start is told of and left out."""
    results: dict[str, Result] = {}
    with ExitStack() as stack:
        asked: list[Asked] = []
        for peer in peers:
            say(f"{scenario.name}: starting {peer.name}")
            started = stack.enter_context(running(peer, scenario.name, scenario.model, scenario.workers, cache))
            try:
                asked.append(_asked(started, scenario))
            except EdgeError as error:
                print(f"\n{scenario.name}: {peer.name} is left out: {error}", flush=True)
                started.end()
                continue
            started.freeze()

        def each(take: Callable[[Asked, Scenario, float, Result], None]) -> None:
            for one in list(asked):
                name = one.running.peer.name
                try:
                    take(one, scenario, seconds, results.setdefault(name, Result()))
                except ServiceError as error:
                    print(f"\n{scenario.name}: {name} is gone, and left out: {error}", flush=True)
                    asked.remove(one)
                    del results[name]

        for number in range(rounds):
            say(f"{scenario.name}: round {number + 1} of {rounds}")
            each(_closed)
            if scenario.files:
                results.setdefault(BARE, Result()).rates.append(_bare(scenario, seconds))
        for number in range(rounds):
            say(f"{scenario.name}: half load, round {number + 1} of {rounds}")
            each(_half)
    return results


def _asked(started: Running, scenario: Scenario) -> Asked:
    ask, server = started.peer.asks[scenario.name], parsed(started.url)
    messages = [ask(question) for question in scenario.questions]
    answer = started.wait(*messages[0])
    if scenario.name in (NUMBERS, BYTES):
        _check(answer, scenario)
    return Asked(started, [http_request(server, *message) for message in messages])


def _check(answer: bytes, scenario: Scenario) -> None:
    """Raises ServiceError unless the ten numbers of the right answer are in this one, as text or as bytes."""
    session = Session(scenario.model)
    (wanted,) = session.run({"input": np.asarray(scenario.questions[0])}).values()
    got = _numbers(json.loads(answer)) if scenario.name == NUMBERS else np.frombuffer(answer[-40:], np.float32)
    if got is None or not np.allclose(got, wanted.ravel(), atol=1e-4):
        raise ServiceError(f"expected {wanted.ravel().tolist()}, got {answer[:200]!r}")


def _numbers(told: object) -> list[float] | None:
    """The first list of ten numbers inside."""
    parts = list(told.values()) if isinstance(told, dict) else told if isinstance(told, list) else []
    if len(parts) == 10 and all(isinstance(part, float) for part in parts):
        return parts
    return next((found for part in parts if (found := _numbers(part)) is not None), None)


def _closed(one: Asked, scenario: Scenario, seconds: float, result: Result) -> None:
    taken = _loaded(one, generating.Load(one.requests, scenario.connections, seconds, warm_up=seconds / 5))
    result.rates.append(taken.throughput)
    result.busy = max(result.busy, taken.busy)
    result.failed += sum(taken.outcomes.values()) - len(taken.latencies)


def _half(one: Asked, scenario: Scenario, seconds: float, result: Result) -> None:
    rate = result.rate / 2
    if not rate:
        return
    with foremost() as result.punctual:
        taken = _loaded(one, generating.Load(one.requests, 64, seconds, rate=rate, warm_up=seconds / 5))
    result.late = max(result.late, float(np.percentile(taken.late, 99)) * 1e3 if taken.late else 0.0)
    for values, percent in ((result.p50, 50), (result.p99, 99)):
        values.append(float(np.percentile(taken.latencies, percent)) * 1e3 if taken.latencies else float("inf"))
    result.failed += sum(taken.outcomes.values()) - len(taken.latencies)


@contextmanager
def foremost() -> Iterator[bool]:
    """This thread runs on the first core, before all that isn't as urgent, as on a machine of its own; gives whether it may.

    A generator that has to wait for its turn on a processor sends late, which looks like a late answer; and one that may
    go where it likes takes the very core on which the server computes, which then stands still although another is free.
    """
    before, cores, urgent = os.sched_getscheduler(0), os.sched_getaffinity(0), False
    with suppress(OSError):  # it takes root, or a limit of the kind RLIMIT_RTPRIO
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
        os.sched_setaffinity(0, {min(cores)})
        urgent = True
    try:
        yield urgent
    finally:
        if urgent:
            os.sched_setscheduler(0, before, os.sched_param(0))
            os.sched_setaffinity(0, cores)


def _loaded(one: Asked, wanted: generating.Load) -> generating.Taken:
    one.running.thaw()
    try:
        taken, whole = generating.run(parsed(one.running.url), wanted)
    finally:
        one.running.freeze()
    if not whole:
        raise KeyboardInterrupt
    return taken


def _bare(scenario: Scenario, seconds: float) -> float:
    command = [sys.executable, str(SERVERS / "bare_loop.py"), str(seconds), *map(str, scenario.files)]
    environment = {"MODEL": str(scenario.model)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


SCENARIOS = (NUMBERS, BYTES, PHOTOS, LARGE)
