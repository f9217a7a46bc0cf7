from __future__ import annotations

import threading

import pytest
from edge.live.fakes import FakeClock

from lampion_edge.live.clock import Clock
from lampion_edge.live.latest import Latest


def test_a_slow_reader_gets_the_newest() -> None:
    latest = Latest[str](Clock())
    for value in "abc":
        latest.put(value)
    assert latest.after(0) == (3, "c")
    assert latest.after(2) == (3, "c")
    assert latest.after(3, 0.01) is None


def test_waiting_is_bounded() -> None:
    clock = FakeClock()
    assert Latest[str](clock).after(0, 2.5) is None
    assert clock.now() == 2.5


def test_the_end_comes_after_the_last_value() -> None:
    latest = Latest[int](Clock())
    latest.put(1)
    latest.end()
    assert latest.after(0) == (1, 1)
    assert latest.after(1) is None
    latest.end(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        latest.after(1)


def test_threads() -> None:
    """Every reader sees numbers that grow, and the last value."""
    latest, seen = Latest[int](Clock()), list[list[int]]()

    def read(values: list[int]) -> None:
        number = 0
        while got := latest.after(number):
            number, value = got
            assert value == number
            values.append(value)

    readers = []
    for _ in range(3):
        seen.append([])
        readers.append(threading.Thread(target=read, args=(seen[-1],)))
        readers[-1].start()
    for value in range(1, 2001):
        latest.put(value)
    latest.end()
    for reader in readers:
        reader.join()
    assert [values[-1] for values in seen] == [2000] * 3
    assert all(values == sorted(set(values)) for values in seen)
