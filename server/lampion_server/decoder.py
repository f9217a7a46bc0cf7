"""Decoding photos beside the event loop, with an end to the queue."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from lampion_edge import Session
from lampion_server.errors import OverloadedError
from lampion_server.scheduler import Arrays


class Decoder:
    """Turns photo bytes into arrays on `threads` threads; refuses newcomers while `max_waiting` photos are pending."""

    def __init__(self, threads: int, max_waiting: int, max_pixels: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lampion-decode")
        self._threads = threads
        self._max_waiting = max_waiting
        self._max_pixels = max_pixels
        self._waiting = 0
        self._pace = 0.0  # seconds per photo, a moving average

    def admit(self) -> None:
        """Raise `OverloadedError` if too many photos are pending; a request that is let in may bring several."""
        if self._waiting >= self._max_waiting:
            wait = self._waiting * self._pace / self._threads
            raise OverloadedError(f"{self._waiting} photos are waiting to be decoded already", retry_after=wait)

    async def decode(self, session: Session, photo: bytes) -> tuple[Arrays, float]:
        """The photo as the model's inputs, and the seconds that took; cancelling withdraws what hasn't begun.

        Raises edge's `ImageError`.
        """
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, session, photo)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads when they have finished; blocks until then."""
        self._pool.shutdown()

    def _decode(self, session: Session, photo: bytes) -> tuple[Arrays, float]:
        started = time.monotonic()
        inputs = session.prepare(photo, max_pixels=self._max_pixels)
        took = time.monotonic() - started
        self._pace += 0.2 * (took - self._pace) if self._pace else took
        return inputs, took
