"""Work that others shouldn't feel: in a thread that the system runs when nobody else wants its core."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
NICE = 10  # added: others get ten times as much, and who holds Python's lock still gets the core it needs to let go
_SLICE = 100_000_000  # nanoseconds, the most that Linux takes
_SCHED_SETATTR = {("linux", "x86_64"): 314, ("linux", "aarch64"): 274}  # the number of the system call
_KEEP_POLICY = 8  # SCHED_FLAG_KEEP_POLICY, of sched_setattr(2)
_NAMES = ("lampion-background", "lampion-starting")
_LOOK = 0.001  # seconds between looks at whether threads have been started
_TASKS = Path("/proc/self/task")


def in_background(work: Callable[[], T]) -> T:
    """What `work` gives, from a thread of its own, since one that has stepped back can't come forward again.

    Threads that it starts stay behind as well.
    """
    with ThreadPoolExecutor(1, _NAMES[0], _step_back) as thread:
        return thread.submit(work).result()


def in_background_after(threads: int, work: Callable[[], T]) -> T:
    """The same, from a thread that steps back when it has started so many others: those stay in front."""
    with ThreadPoolExecutor(1, _NAMES[1], _take_name) as thread:
        native = thread.submit(threading.get_native_id).result()
        done = thread.submit(work)
        while not done.done():
            if _named_as(native) > threads:
                _step_back(native)
                break
            time.sleep(_LOOK)
        return done.result()


def beside(work: Callable[[], T]) -> Future[T]:
    """`work` in a thread that doesn't keep the process from ending."""
    done: Future[T] = Future()

    def run() -> None:
        done.set_running_or_notify_cancel()  # from here on nobody can take it back
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="lampion-beside", daemon=True).start()
    return done


def under_way() -> bool:
    """Whether work in the background is still being done, which holds the process until it has ended."""
    return any(thread.name.startswith(_NAMES) for thread in threading.enumerate())


def _step_back(thread: int | None = None) -> None:
    with suppress(OSError, AttributeError):  # where the system knows no priorities of threads
        here = os.PRIO_PROCESS, thread or threading.get_native_id()
        os.setpriority(*here, os.getpriority(*here) + NICE)
        _give_way(thread or 0, os.getpriority(*here))


def _give_way(thread: int, nice: int) -> None:
    """Who wakes up goes first. Between equal slices, of 3 ms, who runs keeps the core to the end of his.

    Linux since 6.12 prefers the shorter one (PREEMPT_SHORT in kernel/sched/features.h); before, nothing changes.
    """
    layout = struct.Struct("=IIQiIQQQ")  # struct sched_attr: size, policy, flags, nice, priority, runtime and two more
    attributes = layout.pack(layout.size, 0, _KEEP_POLICY, nice, 0, _SLICE, 0, 0)
    if call := _SCHED_SETATTR.get((sys.platform, platform.machine())):
        ctypes.CDLL(None).syscall(call, thread, attributes, 0)


def _take_name() -> None:
    """A name that only this thread has and that those which it starts inherit."""
    native = threading.get_native_id()
    with suppress(OSError):
        (_TASKS / str(native) / "comm").write_text(f"lampion-{native}")


def _named_as(native: int) -> int:
    """How many threads have the name of this one; 0 where the system doesn't tell."""
    name, count = f"lampion-{native}\n", 0
    with suppress(OSError):
        for thread in _TASKS.iterdir():
            with suppress(OSError):  # it may have ended
                count += (thread / "comm").read_text() == name
    return count
