"""A thread that steps back, and nobody else with it."""

from __future__ import annotations

import os
import threading

import pytest

from lampion_server.background import NICE, in_background


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_only_the_work_steps_back() -> None:
    before = niceness()
    assert in_background(niceness) == min(19, before + NICE)
    assert niceness() == before


def test_what_fails_says_so() -> None:
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0)
