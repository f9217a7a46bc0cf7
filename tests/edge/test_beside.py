from __future__ import annotations

from threading import get_ident

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
