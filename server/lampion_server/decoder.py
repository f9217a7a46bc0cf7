"""Decoding photos, sounds and records beside the event loop, with an end to the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lampion_server.errors import OverloadedError
from lampion_server.scheduler import Arrays


class Decoder:
    """Turns what was sent into arrays on `threads` threads; refuses newcomers while `max_pending` are under way."""

    def __init__(self, threads: int, max_pending: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lampion-decode")
        self._threads = threads
        self._max_pending = max_pending
        self._pending = 0
        self._pace = 0.0  # seconds per item, a moving average

    @contextmanager
    def admitted(self, items: int) -> Iterator[None]:
        """Count the items of a request as pending; `OverloadedError` if there are too many others already."""
        if self._pending >= self._max_pending:
            wait = self._pending * self._pace / self._threads
            raise OverloadedError(f"{self._pending} photos, sounds or records are pending already", retry_after=wait)
        self._pending += items
        try:
            yield
        finally:
            self._pending -= items

    async def decode(self, prepare: Callable[[], Arrays]) -> tuple[Arrays, float]:
        """What `prepare` gives, and the seconds that took; cancelling withdraws what hasn't begun."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, prepare)

    def close(self) -> None:
        """End the threads when they have finished; blocks until then."""
        self._pool.shutdown()

    def _decode(self, prepare: Callable[[], Arrays]) -> tuple[Arrays, float]:
        started = time.monotonic()
        inputs = prepare()
        took = time.monotonic() - started
        self._pace += 0.2 * (took - self._pace) if self._pace else took
        return inputs, took
