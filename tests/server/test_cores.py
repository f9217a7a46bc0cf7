"""Who gets the cores, in which order; never more than there are."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lampion_server import cores as cores_module
from lampion_server.caller import Priority
from lampion_server.cores import Cores


def started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_never_more_than_there_are() -> None:
    cores, lock, peak = Cores(3), threading.Lock(), 0
    used = 0

    def work(wanted: int) -> None:
        nonlocal used, peak
        for _ in range(50):
            with cores.taken(wanted):
                with lock:
                    used += wanted
                    peak = max(peak, used)
                with lock:
                    used -= wanted

    threads = [started(lambda wanted=wanted: work(wanted)) for wanted in (1, 1, 2, 3)]
    for thread in threads:
        thread.join(30)
    assert (used, peak <= 3) == (0, True)


def test_rank_before_arrival_and_nobody_overtakes(monkeypatch: pytest.MonkeyPatch) -> None:
    cores, order = Cores(2), []
    monkeypatch.setattr(cores_module, "_PATIENCE", 30)

    def work(name: str, wanted: int, rank: int) -> None:
        with cores.taken(wanted, rank):
            order.append(name)

    threads = []
    with cores.taken(1):
        for name, wanted, rank in (("background", 2, 2), ("all", 2, 0), ("one", 1, 0), ("urgent", 2, -1)):
            threads.append(started(lambda name=name, wanted=wanted, rank=rank: work(name, wanted, rank)))
            while len(cores._line) < len(threads):
                pass
        assert order == []  # one core is free, but the first in line wants two
    for thread in threads:
        thread.join(30)
    assert order == ["urgent", "all", "one", "background"]


def test_who_wants_more_than_there_are_gets_all() -> None:
    cores = Cores(2)
    with cores.taken(64):
        assert cores._free == 0
    assert cores._free == 2


def test_callers_dont_wait_for_what_is_done_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    cores, order = Cores(2), []

    def measured() -> None:
        with cores.taken(1, Priority.BACKGROUND):
            order.append("background")

    monkeypatch.setattr(cores_module, "_PATIENCE", 30)
    with cores.taken(2, Priority.BACKGROUND):
        waiting = started(measured)
        while len(cores._line) < 1:
            pass
        with cores.taken(2):
            order.append("caller")
    waiting.join(30)
    assert order == ["caller", "background"]


def test_background_work_begins_though_the_cores_are_never_free() -> None:
    cores, order = Cores(2), []
    with cores.taken(2):
        with cores.taken(1, Priority.BACKGROUND):
            order.append("background")
        assert (cores._free, cores._background, cores._line) == (0, 0, [])
    assert order == ["background"]
