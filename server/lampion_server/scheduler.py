"""Admission and batching for one model: who waits, who computes together, who is refused."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lampion_edge import TensorSpec
from lampion_server.errors import DeadlineExceededError, OverloadedError, UnavailableError

Arrays = dict[str, NDArray[Any]]
Names = Sequence[str] | None
Run = Callable[[Arrays, Names], Arrays]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """One caller's outputs, with the seconds it waited, the seconds its batch computed, and the rows in that batch."""

    outputs: Arrays
    queue: float
    compute: float
    rows: int


@dataclass(slots=True, eq=False)
class Ticket:
    """One request in the queue."""

    inputs: Arrays
    outputs: Names
    deadline: float | None
    future: asyncio.Future[Answer]
    rows: int
    arrived: float = field(default_factory=time.monotonic)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.future.get_loop()

    def wanted(self) -> bool:
        """Whether anybody still waits for it; answers a request whose deadline has passed."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            _deliver([self], [DeadlineExceededError("the deadline passed before the computation began")])
            return False
        return not self.future.done()


def can_batch(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> bool:
    """Whether requests can share a run: every input and output begins with the same dynamic axis, by its name."""
    first = {spec.shape[0] if spec.shape else None for spec in [*inputs, *outputs]}
    return bool(inputs) and len(first) == 1 and isinstance(next(iter(first)), str)


class Scheduler:
    """Runs requests of one model on `workers` threads; those of equal shape that wait together share a batch.

    There is no timer: a batch is what waits when a worker gets free, the oldest request's shape first, up to
    `max_batch` rows. `run` maps inputs by name and the wanted output names (None: all) to outputs by name.
    A request whose caller is gone or whose deadline (of `time.monotonic`) has passed is never computed.
    If a batch fails, its requests run again one by one, so that only the bad one fails.
    """

    def __init__(
        self,
        run: Run,
        *,
        name: str = "model",
        batching: bool = True,
        workers: int = 1,
        max_batch: int = 32,
        max_queue: int = 256,
        on_batch: Callable[[int, float], None] = lambda rows, seconds: None,
    ) -> None:
        self.name = name
        self.batching = batching and max_batch > 1
        self.max_batch = max_batch
        self._run = run
        self._max_queue = max_queue
        self._on_batch = on_batch
        self._queues: dict[object, deque[Ticket]] = {}
        self._waiting = 0
        self._pace = 0.0  # seconds of compute per request, a moving average
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, name=f"lampion-{name}-{i}") for i in range(workers)]
        for thread in self._threads:
            thread.daemon = True  # an interpreter that ends without close() must not hang on a waiting worker
            thread.start()

    @property
    def waiting(self) -> int:
        """Requests in the queue, without those being computed."""
        return self._waiting

    async def submit(self, inputs: Arrays, outputs: Names = None, deadline: float | None = None) -> Answer:
        """Queue one request and wait for its answer; cancelling the wait withdraws the request.

        Raises `OverloadedError` at once if the queue is full, `UnavailableError` after `close`,
        `DeadlineExceededError` for a request whose deadline passed before its turn, and whatever `run` raised for
        this very request.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        rows = next((len(array) for array in inputs.values() if array.ndim), 1)
        self._admit(Ticket(inputs, outputs, deadline, future, rows))
        return await future

    def close(self) -> None:
        """Refuse newcomers, answer everyone who waits, end the threads; blocks until then."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # The queue. All of it happens under the lock.

    def _admit(self, ticket: Ticket) -> None:
        with self._changed:
            if self._closed:
                raise UnavailableError(f"model {self.name} is being unloaded", hint="try again in a moment")
            if self._waiting >= self._max_queue:
                self._forget_the_gone()
            if self._waiting >= self._max_queue:
                wait = self._waiting * self._pace / len(self._threads)
                message = f"model {self.name}: {self._waiting} requests are waiting already"
                raise OverloadedError(message, retry_after=wait)
            self._queues.setdefault(self._bucket(ticket), deque()).append(ticket)
            self._waiting += 1
            self._changed.notify()

    def _bucket(self, ticket: Ticket) -> object:
        if not self.batching:
            return None
        names = None if ticket.outputs is None else tuple(ticket.outputs)
        return names, tuple((name, array.dtype, array.shape[1:]) for name, array in ticket.inputs.items())

    def _forget_the_gone(self) -> None:
        for bucket, queue in list(self._queues.items()):
            alive = deque(ticket for ticket in queue if not ticket.future.done())
            self._waiting -= len(queue) - len(alive)
            if alive:
                self._queues[bucket] = alive
            else:
                del self._queues[bucket]

    def _next_batch(self) -> list[Ticket]:
        """The next requests to compute together; empty when closed and drained."""
        with self._changed:
            while True:
                while self._queues:
                    if batch := self._pop_batch():
                        return batch
                if self._closed:
                    return []
                self._changed.wait()

    def _pop_batch(self) -> list[Ticket]:
        bucket, queue = min(self._queues.items(), key=lambda item: item[1][0].arrived)
        batch: list[Ticket] = []
        rows = 0
        while queue and (not batch or (self.batching and rows + queue[0].rows <= self.max_batch)):
            ticket = queue.popleft()
            self._waiting -= 1
            if ticket.wanted():
                batch.append(ticket)
                rows += ticket.rows
        if not queue:
            del self._queues[bucket]
        return batch

    # The workers.

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                self._compute(batch)
            except Exception as error:  # a worker that died would leave everybody waiting
                log.exception("model %s: the scheduler failed", self.name)
                _deliver(batch, [error] * len(batch))
            del batch  # or it would keep its arrays until the next one

    def _compute(self, batch: list[Ticket]) -> None:
        started = time.monotonic()
        results: Sequence[Answer | Exception]
        try:
            parts = self._run_joined(batch)
        except Exception as error:
            if len(batch) > 1:
                for ticket in batch:
                    if ticket.wanted():
                        self._compute([ticket])
                return
            results = [error]
        else:
            took, rows = time.monotonic() - started, sum(ticket.rows for ticket in batch)
            self._pace += 0.2 * (took / len(batch) - self._pace) if self._pace else took / len(batch)
            self._on_batch(rows, took)
            pairs = zip(batch, parts, strict=True)
            results = [Answer(part, started - ticket.arrived, took, rows) for ticket, part in pairs]
        _deliver(batch, results)

    def _run_joined(self, batch: list[Ticket]) -> list[Arrays]:
        if len(batch) == 1:
            return [self._run(batch[0].inputs, batch[0].outputs)]
        inputs = {name: np.concatenate([ticket.inputs[name] for ticket in batch]) for name in batch[0].inputs}
        outputs = self._run(inputs, batch[0].outputs)
        ends = np.cumsum([ticket.rows for ticket in batch])
        if any(array.ndim == 0 or len(array) != ends[-1] for array in outputs.values()):
            self.batching = False  # the model's axis names promised a row of output per row of input
            log.warning("model %s: outputs don't follow the batch axis; no batching from now on", self.name)
            raise ValueError("outputs don't follow the batch axis")
        parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
        return [{name: pieces[i] for name, pieces in parts.items()} for i in range(len(batch))]


def _deliver(batch: Sequence[Ticket], results: Sequence[Answer | Exception]) -> None:
    """Answer from a worker thread, with one wake-up per event loop."""
    for loop, pairs in groupby(zip(batch, results, strict=True), key=lambda pair: pair[0].loop):
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, list(pairs))


def _settle(pairs: Sequence[tuple[Ticket, Answer | Exception]]) -> None:
    for ticket, result in pairs:
        if ticket.future.done():
            continue
        if isinstance(result, Exception):
            ticket.future.set_exception(result)
        else:
            ticket.future.set_result(result)
