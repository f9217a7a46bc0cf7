"""The fake clock is what the other tests stand on."""

from __future__ import annotations

import threading

from edge.live.fakes import FakeClock


def test_sleepers_wake_in_order_and_time_jumps() -> None:
    clock, woken = FakeClock(), list[tuple[str, float]]()

    def sleeper(name: str, seconds: float) -> None:
        for _ in range(2):
            clock.sleep(seconds)
            woken.append((name, clock.now()))

    clock.start(lambda: sleeper("slow", 3600), "slow")
    clock.start(lambda: sleeper("fast", 1000), "fast")
    clock.sleep(10_000)
    assert woken == [("fast", 1000), ("fast", 2000), ("slow", 3600), ("slow", 7200)]
    assert clock.now() == 10_000


def test_waiting_ends_with_what_is_waited_for_or_in_vain() -> None:
    clock, condition, done = FakeClock(), threading.Condition(), threading.Event()

    def work() -> None:
        clock.sleep(5)
        done.set()

    clock.start(work, "work")
    with condition:
        assert not clock.wait(condition, done.is_set, 3)
        assert clock.now() == 3
        assert clock.wait(condition, done.is_set, None)
    assert clock.now() == 5
