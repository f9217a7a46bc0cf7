"""Inputs that are made by the thread that computes with them."""

from __future__ import annotations

import time
from collections.abc import Callable

from lampion_server.datatypes import Array


class Later:
    """Arrays of one row that are made of what was sent when a thread has come to it; `seconds` is what that took.

    Where a batch is one request or two and an instance is one core, nobody gains by other threads that decode ahead: they
    share those very cores, and every change between them costs.
    """

    def __init__(self, prepare: Callable[[], dict[str, Array]]) -> None:
        self._prepare = prepare
        self._made: dict[str, Array] | None = None
        self.seconds = 0.0

    def made(self) -> dict[str, Array]:
        """The arrays. Raises what `prepare` raises."""
        if self._made is None:
            started = time.monotonic()
            self._made = self._prepare()
            self.seconds = time.monotonic() - started
        return self._made


def made(inputs: dict[str, Array] | Later) -> dict[str, Array]:
    """The arrays, whichever way they come."""
    return inputs.made() if isinstance(inputs, Later) else inputs


def seconds_of(inputs: dict[str, Array] | Later) -> float:
    """What it took to make them, 0 if they came as arrays."""
    return inputs.seconds if isinstance(inputs, Later) else 0.0
