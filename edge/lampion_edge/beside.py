"""Work in another thread, while this one does something else."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
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
    core = _core()

    def kept() -> None:
        try:
            _leave(core)
            results.append(work(*args, **kwargs))
        except BaseException as error:  # raised where the result is asked for
            errors.append(error)

    thread = Thread(target=kept, daemon=True)
    thread.start()

    def result() -> T:
        thread.join()
        for error in errors:
            raise error
        return results[0]

    return result


def _core() -> int:
    """The one that this thread is on; -1 on systems that don't tell."""
    try:
        return int(ctypes.CDLL(None).sched_getcpu())
    except (OSError, TypeError, AttributeError):
        return -1


def _leave(core: int) -> None:
    """Keeps this thread off a core, if it may use others.

    For a tenth of a second after numpy was imported, the threads of its BLAS wait on all cores but one, burning them. The
    kernel sees none idle, and would leave a new thread on the core of the one that started it, in the way of its work.
    """
    if core >= 0 and (others := os.sched_getaffinity(0) - {core}):
        os.sched_setaffinity(0, others)
