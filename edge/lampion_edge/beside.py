"""Work in another thread, while this one does something else."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def beside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """Starts `work`; calling what comes back waits for its result, or raises what it raised.

    As an Executor's Future, whose module takes longer to import than this package does. Nobody waits for it at exit.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def kept() -> None:
        try:
            results.append(work(*args, **kwargs))
        except BaseException as error:  # raised where the result is asked for
            errors.append(error)

    thread = Thread(target=kept, daemon=True)
    thread.start()
    _part(thread)

    def result() -> T:
        thread.join()
        for error in errors:
            raise error
        return results[0]

    return result


def _part(thread: Thread) -> None:
    """Keeps a thread off the core that this one is on, if it may use others.

    For a tenth of a second after numpy was imported, the threads of its BLAS wait on all cores but one, burning them. The
    kernel sees none idle, and would leave a new thread on the core of the one that started it, in the way of its work.
    """
    with suppress(OSError, TypeError, AttributeError):  # it is over by now, or this system has no such functions
        if others := os.sched_getaffinity(0) - {ctypes.CDLL(None).sched_getcpu()}:
            os.sched_setaffinity(thread.native_id or 0, others)
