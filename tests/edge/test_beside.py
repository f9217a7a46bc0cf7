from __future__ import annotations

import os
from threading import get_ident
from time import sleep

import pytest

from lampion_edge.beside import beside


def test_another_thread_does_the_work() -> None:
    result = beside(lambda number: (number, get_ident()), 3)
    assert result()[0] == 3
    assert result()[1] != get_ident()


def test_an_error_comes_where_the_result_is_asked_for() -> None:
    result = beside(int, "three")
    with pytest.raises(ValueError, match="three"):
        result()


def where() -> set[int]:
    """The cores that this thread may use, once whoever started it has had the time to say."""
    sleep(0.05)
    return os.sched_getaffinity(0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux's")
def test_the_work_is_kept_off_the_core_of_who_waits_for_it() -> None:
    mine = os.sched_getaffinity(0)
    others = beside(where)()
    assert (others < mine, len(others)) == (len(mine) > 1, max(1, len(mine) - 1))
    assert os.sched_getaffinity(0) == mine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux's")
def test_a_single_core_does_it_all() -> None:
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        assert beside(where)() == {min(mine)}
    finally:
        os.sched_setaffinity(0, mine)
