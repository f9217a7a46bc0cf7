"""What asks a process to end, and how it does."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ENDS = (signal.SIGTERM, signal.SIGINT)
# Seconds in which a second signal says the same again: who ends a group of processes often tells its leader twice.
_SAME = 0.3
Handler = Callable[[int, FrameType | None], None]


@contextmanager
def caught(handler: Handler) -> Iterator[None]:
    """The handler hears of the signals while the block lasts."""
    before = {number: signal.signal(number, handler) for number in ENDS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def put_off() -> Iterator[None]:
    """The signals wait until the block has ended; processes that are started in it never see them, until `let_in`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_in() -> None:
    """Signals arrive again."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


def same_wish(told: float) -> bool:
    """Whether a signal that comes now means what one said at `told`, of `time.monotonic`."""
    return time.monotonic() - told < _SAME


def leave() -> NoReturn:
    """Ends the process with code 0, although threads compute in it which nothing can interrupt."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
