"""A thread that steps back, and nobody else with it."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading
import time

import pytest
from server.conftest import linux

from lampion_server.background import NICE, in_background, in_background_after


def slice_of_this_thread() -> int:
    """Nanoseconds that it keeps a core from others as busy: `sched_runtime` of sched_getattr(2)."""
    attributes = ctypes.create_string_buffer(48)
    number = {"x86_64": 315, "aarch64": 275}[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, 0, attributes, 48, 0) == 0
    return int(struct.unpack_from("=Q", attributes, 24)[0])


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_only_the_work_steps_back() -> None:
    before = niceness()
    assert in_background(niceness) == min(19, before + NICE)
    assert niceness() == before


@pytest.mark.skipif(not linux(6, 12), reason="Linux before 6.12 knows no own slices")
def test_whoever_wakes_up_goes_before_the_work() -> None:
    assert in_background(slice_of_this_thread) > 10 * slice_of_this_thread()


def test_what_fails_says_so() -> None:
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0)


def test_who_has_started_others_steps_back_alone() -> None:
    over, started = threading.Event(), list[int]()

    def work() -> int:
        thread = threading.Thread(
            target=lambda: (started.append(niceness()), over.wait(10), started.append(niceness()))
        )
        thread.start()
        end = time.monotonic() + 10
        while niceness() == before and time.monotonic() < end:
            time.sleep(0.001)
        over.set()
        thread.join()
        return niceness()

    before = niceness()
    assert in_background_after(1, work) == min(19, before + NICE)
    assert started == [before, before]


def test_who_starts_none_stays_and_what_fails_says_so() -> None:
    assert in_background_after(1, niceness) == niceness()
    with pytest.raises(ZeroDivisionError):
        in_background_after(1, lambda: 1 / 0)
