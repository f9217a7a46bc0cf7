"""What the server measures of itself, for Prometheus."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter as Counts
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_MANY = 256


class Observed:
    """Observations for one child of a histogram, handed on when there are many, or by `settle`.

    One by one, and all the more in a file that processes share, they'd take as long as a small model; so they are
    counted together, straight into the child's buckets, for which it has no method.
    """

    def __init__(self, child: Histogram) -> None:
        self._child = child
        self._waiting: deque[float] = deque()

    def observe(self, value: float) -> None:
        """Count a value, soon."""
        self._waiting.append(value)
        if len(self._waiting) >= _MANY:
            self.settle()

    def settle(self) -> None:
        """Count what waits."""
        values: list[float] = []
        with suppress(IndexError):  # another thread counts what waits as well
            for _ in range(len(self._waiting)):
                values.append(self._waiting.popleft())
        if not values:
            return
        bounds = self._child._upper_bounds
        for place, number in Counts(bisect_left(bounds, value) for value in values).items():
            self._child._buckets[place].inc(number)
        self._child._sum.inc(sum(values))


class Metrics:
    """The server's counters and histograms, in a registry of their own; times are in seconds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._observed: list[Observed] = []
        self._answered: Counts[tuple[str, int]] = Counts()
        labels, text = ["model", "status"], "Requests answered; the model is empty where none was asked"
        self._requests = cache(Counter("lampion_requests", text, labels, registry=self.registry).labels)
        self._latency = self._histogram("lampion_request_seconds", "From arrival to the last byte sent", SECONDS)
        self._queue = self._histogram("lampion_queue_seconds", "Waiting for a worker", SECONDS)
        self._decode = self._histogram("lampion_decode_seconds", "From photo bytes to an array", SECONDS)
        self._compute = self._histogram("lampion_compute_seconds", "Running a batch", SECONDS)
        self._rows = self._histogram("lampion_batch_rows", "Rows computed together", ROWS)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Callable[[str], Observed]:
        histogram = Histogram(name, text, ["model"], buckets=buckets, registry=self.registry)

        @cache  # `labels` alone takes longer than what it then counts
        def of(model: str) -> Observed:
            observed = Observed(histogram.labels(model))
            self._observed.append(observed)
            return observed

        return of

    def request(self, model: str, status: int, seconds: float) -> None:
        """A request was answered; `model` is empty for requests that concern none."""
        self._answered[model, status] += 1
        self._latency(model).observe(seconds)

    def queued(self, model: str, seconds: float) -> None:
        """A request waited this long for its computation."""
        self._queue(model).observe(seconds)

    def decoded(self, model: str, seconds: float) -> None:
        """A photo was decoded."""
        self._decode(model).observe(seconds)

    def batch(self, model: str, rows: int, seconds: float) -> None:
        """A batch was computed; called from worker threads."""
        self._rows(model).observe(rows)
        self._compute(model).observe(seconds)

    def settle(self) -> None:
        """Let other processes see all that was counted until now."""
        for labels in list(self._answered):
            self._requests(*labels).inc(self._answered.pop(labels))
        for observed in list(self._observed):
            observed.settle()

    def text(self) -> bytes:
        """Everything in Prometheus' text format, of all processes that share the folder in PROMETHEUS_MULTIPROC_DIR."""
        self.settle()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
