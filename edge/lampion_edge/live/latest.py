"""A mailbox that holds one letter."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from lampion_edge.live.clock import Clock

T = TypeVar("T")


class Latest(Generic[T]):
    """The newest of a row of values. A slow reader misses some, and never waits for, or gets, an old one.

    `count` is how many were put. Any number of threads may read; each remembers the number of the last value it got.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._value: T | None = None
        self._error: Exception | None = None
        self.count = 0
        self.ended = False

    def put(self, value: T) -> None:
        """Replaces the value."""
        with self._condition:
            self._value = value
            self.count += 1
            self._condition.notify_all()

    def end(self, error: Exception | None = None) -> None:
        """No more will come; readers are told, with the reason if it is an error."""
        with self._condition:
            self.ended, self._error = True, error
            self._condition.notify_all()

    def after(self, number: int, timeout: float | None = None) -> tuple[int, T] | None:
        """The newest value with its number, as soon as there is one above `number`; None in vain, or at the end.

        Raises the error that the row ended with, once every value is read.
        """
        with self._condition:
            self._clock.wait(self._condition, lambda: self.count > number or self.ended, timeout)
            if self.count > number and self._value is not None:
                return self.count, self._value
            if self._error:
                raise self._error
            return None
