"""What a batch costs: measured once when a model is loaded, then watched while it serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

from lampion_edge import Session, TensorSpec
from lampion_server.datatypes import Array

# A batch size is worth its wait if it brings at least this share of the best throughput that was measured.
WORTH = 0.95
# As many threads as possible (for a lone caller's sake), unless instances of fewer threads do this much more together.
PARALLEL = 0.9
# Decoding photos and sounds isn't in what was measured, and keeps one core busy for each of them: there it is the other
# way round, one thread per instance and one request per batch, unless more of them do this much more; or two, which wake
# the event loop half as often, if that takes the model no longer.
# Changing threads and back takes so long when the event loop is busy; what is done sooner is done by the loop itself.
QUICK = 0.0005  # seconds
LONGEST = 0.25  # seconds; no single measurement keeps the cores from others for much longer


@dataclass(frozen=True)
class Plan:
    """How a model is run: `instances` batches side by side, of up to `max_batch` rows, `threads` each.

    `seconds` maps rows to the measured time of a batch; empty if nothing could be measured. A `steady` model takes as
    long for any other rows, while one with loops inside may turn as often as its input says; measured on zeros, since its
    file has no golden samples, its seconds are `guessed`.
    """

    instances: int
    threads: int
    max_batch: int
    seconds: Mapping[int, float]
    steady: bool = True
    guessed: bool = False

    @property
    def throughput(self) -> float:
        """Rows per second at the best batch size, 0 if unknown."""
        return self.instances * max((rows / took for rows, took in self.seconds.items()), default=0.0)

    @property
    def inline(self) -> bool:
        """Whether its largest batch is done before another thread would have begun with it."""
        return self.steady and self.threads == 1 and self.seconds.get(self.max_batch, QUICK) < QUICK

    def __str__(self) -> str:
        where = "in the event loop" if self.inline else f"{self.instances} x {self.threads} threads"
        rate = f", {self.throughput:.0f} rows/s" if self.seconds else ", not measured"
        return f"{where}, batches of up to {self.max_batch} rows{rate}"


class Cost:
    """The time of a batch as last seen, by its size; starts with what was measured at load.

    What was only `guessed` there is put right by the first batch that is seen, for all sizes in proportion.
    """

    def __init__(self, seconds: Mapping[int, float] | None = None, guessed: bool = False) -> None:
        self._guessed = guessed
        self._seconds = {_rounded(rows): took for rows, took in (seconds or {}).items()}
        self.least = min(self._seconds.values(), default=0.0)  # no batch was ever faster
        self.most_per_row = self._most_per_row()  # no row is expected to take longer, in whatever batch

    def saw(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so many seconds."""
        size = _rounded(rows)
        if self._guessed and (guess := self.expected(rows)):
            self._guessed = False
            self._seconds = {one: took * seconds / guess for one, took in self._seconds.items()}
            self.least = min(self._seconds.values())
        known = self._seconds.get(size, seconds)
        self._seconds[size] = known + 0.2 * (seconds - known)
        self.least = min(self.least or seconds, seconds)
        self.most_per_row = self._most_per_row()

    def _most_per_row(self) -> float:
        return max((took / rows for rows, took in list(self._seconds.items())), default=0.0)

    def expected(self, rows: int) -> float:
        """Seconds of a batch of so many rows; 0 while nothing is known."""
        size = _rounded(rows)
        if (seen := self._seconds.get(size)) is not None:
            return seen
        smaller = [known for known in list(self._seconds) if known <= size]  # a worker may add one meanwhile
        if smaller:
            nearest = max(smaller)
            return self._seconds[nearest] * size / nearest
        return min(list(self._seconds.values()), default=0.0)


def _rounded(rows: int) -> int:
    return 1 << max(0, rows - 1).bit_length()


def measure(
    run: Callable[[int], object],
    most: int,
    budget: float,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, float]:
    """Seconds of `run(rows)` for 1, 2, 4, ... up to `most` rows, computing for about `budget` seconds; each run in a `turn`.

    The best of three, because everything that disturbs a measurement makes it longer. What runs in this thread alone is
    best timed by the `clock` of the thread, which stands still while others have the processor: neither they nor waiting
    for a turn use up the budget, else a model that is loaded on a busy machine would never be batched.
    """
    found: dict[int, float] = {}
    used = 0.0

    def once(rows: int) -> float:
        nonlocal used
        with turn():
            started = clock()
            run(rows)
            took = clock() - started
        used += took
        return took

    for rows in _sizes(most):
        expected = 2 * max(found.values(), default=0.0)
        if found and (used + 2 * expected > budget or expected > LONGEST):
            break
        once(rows)  # the first run at a new size allocates
        found[rows] = once(rows)
    for _ in range(2):  # all of them again, since what disturbs a measurement disturbs the one after it too
        for rows in found:
            if used < 2 * budget:
                found[rows] = min(found[rows], once(rows))
    return found


def _sizes(most: int) -> list[int]:
    return [*(1 << power for power in range(most.bit_length()) if 1 << power < most), most]


def batch_limit(seconds: Mapping[int, float], most: int, decodes: bool = False) -> int:
    """The fewest rows that bring nearly the best throughput; `most` if nothing was measured."""
    if not seconds:
        return most
    rates = {rows: rows / took for rows, took in seconds.items()}
    best = max(rates.values())
    worth = PARALLEL if decodes else WORTH
    fewest = min(rows for rows, rate in rates.items() if rate >= worth * best)
    return 2 if decodes and fewest == 1 and rates.get(2, 0.0) >= rates[1] else fewest


def choose(plans: Sequence[Plan], decodes: bool = False) -> Plan:
    """The one that needs no other thread; else, among those of nearly the best throughput, the one with the most threads
    per batch, or with the fewest for a model that `decodes` what is sent."""
    if inline := [plan for plan in plans if plan.inline]:
        return inline[0]
    best = max(plan.throughput for plan in plans)
    good = [plan for plan in plans if plan.throughput >= PARALLEL * best]
    return (min if decodes else max)(good, key=lambda plan: plan.threads)


def layouts(cores: int, instances: int = 0, threads: int = 0) -> list[tuple[int, int]]:
    """Pairs of (instances, threads) that fit the cores; 0 leaves the number open, and is then tried both ways."""
    if instances or threads:
        return [(instances or max(1, cores // threads), threads or max(1, cores // instances))]
    return list(dict.fromkeys([(1, cores), (cores, 1)]))


def sample(session: Session, batching: bool) -> Callable[[int], dict[str, Array]] | None:
    """Makes inputs of so many rows from a golden sample, or of zeros; None if their shape can't be known."""
    golden = session.golden
    if golden is not None and golden.samples:
        inputs, _ = golden.samples[0]
        rows = {name: array[:1] if batching else array for name, array in inputs.items()}
        return lambda count: (
            {name: np.repeat(array, count, axis=0) for name, array in rows.items()} if batching else rows
        )
    if not _all_known(session.inputs, batching):
        return None
    return lambda count: {spec.name: _zeros(spec, count) for spec in session.inputs}


def _all_known(specs: Iterable[TensorSpec], batching: bool) -> bool:
    free = 1 if batching else 0
    return all(spec.dtype not in ("string", "bfloat16") and _fixed(spec, free) for spec in specs)


def _fixed(spec: TensorSpec, free: int) -> bool:
    return all(isinstance(size, int) for size in spec.shape[free:])


def _zeros(spec: TensorSpec, rows: int) -> Array:
    return np.zeros([size if isinstance(size, int) else rows for size in spec.shape], spec.dtype)
