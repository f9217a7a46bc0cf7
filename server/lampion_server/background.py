"""Work that others shouldn't feel: in a thread that the system runs when nobody else wants its core."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
NICE = 10  # added: an event loop that wakes up is let through; where others want all cores, a tenth is left


def in_background(work: Callable[[], T]) -> T:
    """What `work` gives, from a thread of its own, since one that has stepped back can't come forward again.

    Threads that it starts stay behind as well.
    """
    with ThreadPoolExecutor(1, "lampion-background", _step_back) as thread:
        return thread.submit(work).result()


def _step_back() -> None:
    with suppress(OSError, AttributeError):  # where the system knows no priorities of threads
        here = os.PRIO_PROCESS, threading.get_native_id()
        os.setpriority(*here, os.getpriority(*here) + NICE)
