"""Decoding photos, sounds and records beside the event loop, with an end to the queue."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lampion_server.errors import OverloadedError
from lampion_server.lateness import Lateness
from lampion_server.tickets import Arrays


class Decoder:
    """Turns what was sent into arrays on `threads` threads; a model that has `max_pending` under way gets no more."""

    def __init__(self, threads: int, max_pending: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lampion-decode")
        self._threads = threads
        self._max_pending = max_pending
        self._pending = Counter[str]()  # by model, the items of requests that aren't answered yet
        self._waiting = 0  # those of them that aren't decoded yet
        self._lateness = Lateness()
        self._pace = 0.0  # seconds per item, a moving average

    def check_room(self, model: str, items: int = 1, left: float = math.inf) -> None:
        """Raises `OverloadedError` if the model has too many others, or all have so many that `left` seconds surely
        aren't enough.
        """
        wait, pending = self._waiting * self._pace / self._threads, self._pending[model]
        if pending >= self._max_pending:
            message = f"model {model}: {pending} photos, sounds or records are pending already"
            raise OverloadedError(message, retry_after=wait)
        if wait and left < self._lateness.surely(self._expected(items), self._waiting // self._threads):
            message = f"the {self._waiting} photos, sounds or records before take {wait:.3g} s, of which {left:.3g} s are left"
            raise OverloadedError(message, retry_after=wait)

    @contextmanager
    def admitted(self, model: str, items: int) -> Iterator[None]:
        """Count the items of a request as pending."""
        self._pending[model] += items
        try:
            yield
        finally:
            self._pending[model] -= items

    async def decode(self, prepare: Callable[[], Arrays]) -> tuple[Arrays, float]:
        """What `prepare` gives, and the seconds that took; cancelling withdraws what hasn't begun."""
        expected, started = self._expected(1), time.monotonic()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, prepare)
        finally:
            self._waiting -= 1
            self._lateness.saw(expected, time.monotonic() - started)

    def _expected(self, items: int) -> float:
        """Seconds until so many more are decoded."""
        rounds = math.ceil((self._waiting + items) / self._threads)
        return rounds * self._pace

    def close(self) -> None:
        """End the threads when they have finished; blocks until then."""
        self._pool.shutdown()

    def _decode(self, prepare: Callable[[], Arrays]) -> tuple[Arrays, float]:
        started = time.monotonic()
        inputs = prepare()
        took = time.monotonic() - started
        self._pace += 0.2 * (took - self._pace) if self._pace else took
        return inputs, took
