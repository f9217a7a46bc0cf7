"""Requests on their way through a scheduler: what is asked, and how the answer gets to the event loop that waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from lampion_server.errors import DeadlineExceededError
from lampion_server.later import Later

Arrays = dict[str, NDArray[Any]]
Inputs = Arrays | Later
Names = Sequence[str] | None


class Answer(NamedTuple):
    """One caller's outputs, with the seconds it waited, the seconds its batch computed, and the rows in that batch.

    `decode` are the seconds between waiting and computing in which its inputs were made, if that was left for `Later`.
    """

    outputs: Arrays
    queue: float
    compute: float
    rows: int
    decode: float = 0.0


@dataclass(slots=True, eq=False)
class Ticket:
    """One request in the queue."""

    inputs: Inputs
    outputs: Names
    deadline: float | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Answer]
    rows: int
    priority: int
    arrived: float
    estimate: float = 0.0  # seconds from its arrival to its answer, 0 if nobody needed one

    def wanted(self, least: float = 0.0) -> bool:
        """Whether anybody still waits for it; answers a request whose deadline is less than `least` seconds away."""
        if self.deadline is None or (left := self.deadline - time.monotonic()) > least:
            return not self.future.done()
        message = "the deadline passed before the computation began"
        if left > 0:
            message = f"the deadline is in {left:.3g} s, and the computation takes {least:.3g} s"
        deliver([self], [DeadlineExceededError(message)])
        return False


def rows_of(inputs: Inputs) -> int:
    """The rows of a request, as its batch counts them."""
    if isinstance(inputs, Later):
        return 1
    for array in inputs.values():
        if array.ndim:
            return len(array)
    return 1


def deliver(batch: Sequence[Ticket], results: Sequence[Answer | Exception]) -> None:
    """Answer, from a worker thread with one wake-up per event loop."""
    here, pairs = _running_loop(), list(zip(batch, results, strict=True))
    for loop in {ticket.loop for ticket in batch}:
        own = [pair for pair in pairs if pair[0].loop is loop]
        if loop is here:
            _settle(own)
            continue
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, own)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _settle(pairs: Sequence[tuple[Ticket, Answer | Exception]]) -> None:
    for ticket, result in pairs:
        if ticket.future.done():
            continue
        if isinstance(result, Exception):
            ticket.future.set_exception(result)
        else:
            ticket.future.set_result(result)
