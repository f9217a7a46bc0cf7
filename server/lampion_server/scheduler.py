"""Admission and batching for one model: who waits, who computes together, who is refused."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import accumulate, count, pairwise

import numpy as np

from lampion_edge import TensorSpec
from lampion_server.admission import Admission
from lampion_server.cores import Cores
from lampion_server.cost import Cost
from lampion_server.ending import Within
from lampion_server.errors import DeadlineExceededError, OverloadedError, UnavailableError
from lampion_server.later import Later, made, seconds_of
from lampion_server.tickets import Answer, Arrays, Inputs, Names, Ticket, deliver, rows_of

Run = Callable[[Arrays, Names], Arrays]
Waiting = tuple[int, int, Ticket]  # by priority, then by number

log = logging.getLogger(__name__)
_LONG = 0.01  # seconds of computing that keep an event loop from everybody else
_FEW = 2  # requests; for a larger batch, other threads make the inputs while it fills


def can_batch(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> bool:
    """Whether requests can share a run: every input and output begins with the same dynamic axis, by its name."""
    first = {spec.shape[0] if spec.shape else None for spec in [*inputs, *outputs]}
    return bool(inputs) and len(first) == 1 and isinstance(next(iter(first)), str)


class Scheduler:
    """Runs requests of one model, `instances` batches at a time; those of equal shape that wait together share a batch.

    There is no timer: a batch is what waits when an instance and its `threads` of the shared `cores` get free, the most
    urgent and oldest request's shape first, up to `max_batch` rows, and no more than leave other free instances their share.
    `run` maps inputs by name and the wanted output names (None: all) to outputs by name. `seconds` maps rows to the time of
    a batch, as it was measured or only `guessed`.
    A request whose caller is gone or whose deadline (of `time.monotonic`) can't be kept is never computed; one that would
    be answered too late, by what waits and what is known of the model's pace, is refused at once.
    If a batch fails, its requests run again one by one, so that only the bad one fails.

    A model that computes in less time than a change of threads takes is run `inline`: by the callers' own event loop, in
    its next turn, together with all that arrived until then. Should it take long after all, it gets its threads.
    """

    def __init__(
        self,
        run: Run,
        *,
        name: str = "model",
        batching: bool = True,
        instances: int = 1,
        threads: int = 1,
        cores: Cores | None = None,
        max_batch: int = 32,
        max_queue: int = 256,
        seconds: Mapping[int, float] | None = None,
        guessed: bool = False,
        inline: bool = False,
        on_batch: Callable[[int, float], None] = lambda rows, seconds: None,
    ) -> None:
        self.name = name
        self.batching = batching and max_batch > 1
        self.max_batch = max_batch
        self.cost = Cost(seconds, guessed)
        self._run = run
        self._instances = instances
        self._cores_wanted = threads
        self._cores = cores or Cores(instances * threads)
        self._on_batch = on_batch
        self._queues: dict[object, list[Waiting]] = {}  # heaps
        self._number = count()
        self._admission = Admission(name, self.cost, instances, max_queue)
        self._gone = 0  # callers who left or were late; some of them may still be in the queue
        self._closed = False
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._inline = inline
        self._suspect = False  # the last batch of an event loop took long
        self._called: set[asyncio.AbstractEventLoop] = set()  # those about to compute
        self._threads: list[threading.Thread] = []
        if not inline:
            self._start_workers()

    @property
    def waiting(self) -> int:
        """Requests in the queue, without those being computed."""
        return self._admission.waiting

    @property
    def prepares(self) -> bool:
        """Whether inputs are best made `Later`: hardly any share a batch, and each is computed on one core."""
        return not self._inline and self._cores_wanted == 1 and (not self.batching or self.max_batch <= _FEW)

    @property
    def inline(self) -> bool:
        """Whether the callers' event loop computes: what is asked is then answered in its next turns."""
        return self._inline

    async def submit(
        self, inputs: Inputs, outputs: Names = None, deadline: float | None = None, priority: int = 0
    ) -> Answer:
        """Queue one request and wait for its answer; cancelling the wait withdraws the request. Low numbers go first.

        Raises `OverloadedError` at once if the queue is full or too long for the deadline, `UnavailableError` after
        `close`, `DeadlineExceededError` when the deadline passes, and whatever `run` raised for this very request.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        rows = rows_of(inputs) if self.batching else 1
        while self._inline and self._admission.full:  # that is done sooner than a refusal would be read
            self._safely_compute(self._next_batch())
        self._admit(Ticket(inputs, outputs, deadline, loop, future, rows, priority, time.monotonic()))
        try:
            if deadline is None or self._inline:  # what the event loop computes is there in its next turn
                return await future
            left = deadline - time.monotonic()
            with Within(left, lambda: DeadlineExceededError(f"the answer was not there within {left:.3g} s")):
                return await future
        except (asyncio.CancelledError, DeadlineExceededError):
            self._gone += 1
            raise

    def check_room(self, rows: int = 1, deadline: float | None = None, priority: int = 0) -> float:
        """The seconds within which so many rows, in one request or several, would surely be answered, 0 if nobody asks.

        Raises the `OverloadedError` that `submit` would raise at once.
        """
        if self._inline and (deadline is None or self._admission.full):
            return 0.0
        with self._changed:
            return self._check(rows, deadline, priority)[1]

    def close(self) -> None:
        """Refuse newcomers, answer everyone who waits, end the threads; blocks until then."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        while batch := self._next_batch():  # what an event loop hasn't come to yet
            self._compute(batch)

    # The queue. All of it happens under the lock.

    def _admit(self, ticket: Ticket) -> None:
        with self._lock:
            if self._closed:
                raise UnavailableError(f"model {self.name} is being unloaded", hint="try again in a moment")
            ticket.estimate, _ = self._check(ticket.rows, ticket.deadline, ticket.priority)
            heappush(self._queues.setdefault(self._bucket(ticket), []), (ticket.priority, next(self._number), ticket))
            self._admission.came(ticket.rows, ticket.priority)
            if self._inline:
                self._call(ticket.loop)
            else:
                self._admission.will_take(ticket.rows, ticket.priority)
                self._changed.notify()

    def _check(self, rows: int, deadline: float | None, priority: int) -> tuple[float, float]:
        left = math.inf if deadline is None else deadline - time.monotonic()
        if self._inline and self._admission.plenty(rows, left):
            return 0.0, 0.0
        self._admission.most = self.max_batch if self.batching else 1
        try:
            return self._admission.check(rows, priority, left)
        except OverloadedError:
            if not self._gone:
                raise
        self._forget_the_gone()
        return self._admission.check(rows, priority, left)

    def _bucket(self, ticket: Ticket) -> object:
        if not self.batching:
            return None
        names, inputs = None if ticket.outputs is None else tuple(ticket.outputs), ticket.inputs
        if isinstance(inputs, Later):
            return names, Later
        return names, tuple([(name, array.dtype, array.shape[1:]) for name, array in inputs.items()])

    def _forget_the_gone(self) -> None:
        self._gone = 0
        for bucket, queue in list(self._queues.items()):
            for _, _, ticket in queue:
                if ticket.future.done():
                    self._leave(ticket)
            alive = [waiting for waiting in queue if not waiting[2].future.done()]
            heapify(alive)
            if alive:
                self._queues[bucket] = alive
            else:
                del self._queues[bucket]

    def _most_urgent(self) -> int | None:
        """The priority of the request whose turn it is; blocks until there is one, None when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._queues or self._closed)
            return min(queue[0] for queue in self._queues.values())[0] if self._queues else None

    def _next_batch(self) -> list[Ticket]:
        """The next requests to compute together; empty if another worker took them."""
        with self._changed:
            while self._queues:
                if batch := self._pop_batch():
                    return batch
        return []

    def _pop_batch(self) -> list[Ticket]:
        bucket, queue = min(self._queues.items(), key=lambda item: item[1][0])
        batch: list[Ticket] = []
        rows, most = 0, self.max_batch if self._inline else min(self.max_batch, self._admission.share)
        while queue and (not batch or (self.batching and rows + queue[0][2].rows <= most)):
            _, _, ticket = heappop(queue)
            self._leave(ticket)
            if ticket.wanted(self._least(ticket)):
                batch.append(ticket)
                rows += ticket.rows
        if not queue:
            del self._queues[bucket]
        if batch:
            self._admission.began(rows)  # now, for the next one to know that this instance isn't free
        return batch

    def _least(self, ticket: Ticket) -> float:
        """Seconds that must be left to begin with it.

        A lone one may be quicker than most; but while others wait, one that comes late would make the next late as well.
        """
        return self.cost.expected(ticket.rows) if self.waiting else self.cost.least

    def _leave(self, ticket: Ticket) -> None:
        self._admission.went(ticket.rows, ticket.priority)
        if ticket.deadline is not None and ticket.estimate and time.monotonic() >= ticket.deadline:
            self._took(ticket)

    def _took(self, ticket: Ticket) -> None:
        """What was estimated is compared with what came of it."""
        if ticket.estimate:
            self._admission.took(ticket.estimate, time.monotonic() - ticket.arrived, ticket.priority)

    # Who computes: an event loop, or the workers.

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop not in self._called:
            self._called.add(loop)
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """One batch on the event loop, and another one in its next turn."""
        began, used = time.monotonic(), time.thread_time() if self._suspect else 0.0
        self._safely_compute(self._next_batch())
        # What seems long is timed by the thread's own clock the next time, since waiting for the processor is nothing
        # that a model did. That clock is a system call, the price of a tenth of a small batch.
        long = self._suspect and time.thread_time() - used > _LONG
        self._suspect = time.monotonic() - began > _LONG
        with self._changed:
            self._called.discard(loop)
            if long and self._inline and not self._closed:
                log.warning("model %s: it can take long; from now on it computes beside the event loop", self.name)
                self._inline = False
                self._start_workers()
            elif self._queues and self._inline:
                self._call(loop)

    def _start_workers(self) -> None:
        for number in range(self._instances):
            thread = threading.Thread(target=self._work, name=f"lampion-{self.name}-{number}")
            thread.daemon = True  # an interpreter that ends without close() must not hang on a waiting worker
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (rank := self._most_urgent()) is not None:
            # The cores first, then the batch: who arrives while others compute can still be part of it.
            with self._cores.taken(self._cores_wanted, rank):
                self._safely_compute(self._next_batch())

    def _safely_compute(self, batch: list[Ticket]) -> None:
        try:
            self._compute(batch)
        except Exception as error:  # a worker that died would leave everybody waiting
            log.exception("model %s: the scheduler failed", self.name)
            deliver(batch, [error] * len(batch))

    def _compute(self, batch: list[Ticket]) -> None:
        if not batch:
            return
        started, rows = time.monotonic(), sum(ticket.rows for ticket in batch)
        results: Sequence[Answer | Exception]
        try:
            try:
                inputs = [made(ticket.inputs) for ticket in batch]
                ready = time.monotonic()
                parts = self._run_joined(inputs, batch)
            finally:
                self._admission.ended()
        except Exception as error:
            if len(batch) > 1:
                for ticket in batch:
                    if ticket.wanted():
                        self._admission.began(ticket.rows)
                        self._compute([ticket])
                return
            results = [error]
        else:
            done = time.monotonic()
            took = done - ready
            self.cost.saw(rows, done - started)
            for ticket in batch:
                self._took(ticket)
            self._on_batch(rows, took)
            pairs = zip(batch, parts, strict=True)
            results = [
                Answer(part, started - ticket.arrived, took, rows, seconds_of(ticket.inputs)) for ticket, part in pairs
            ]
        deliver(batch, results)

    def _run_joined(self, inputs: list[Arrays], batch: list[Ticket]) -> list[Arrays]:
        if len(batch) == 1:
            return [self._run(inputs[0], batch[0].outputs)]
        joined = {name: np.concatenate([arrays[name] for arrays in inputs]) for name in inputs[0]}
        outputs = self._run(joined, batch[0].outputs)
        ends = list(accumulate([ticket.rows for ticket in batch], initial=0))
        if any(array.ndim == 0 or len(array) != ends[-1] for array in outputs.values()):
            self.batching = False  # the model's axis names promised a row of output per row of input
            log.warning("model %s: outputs don't follow the batch axis; no batching from now on", self.name)
            raise ValueError("outputs don't follow the batch axis")
        return [{name: array[first:end] for name, array in outputs.items()} for first, end in pairwise(ends)]
