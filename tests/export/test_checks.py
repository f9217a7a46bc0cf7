"""What a program asserts of its data is kept: the file fails with its words, and only where the program does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.errors import UntraceableError
from lampion_edge import Session
from lampion_edge.errors import InputError
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized

ROWS = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def asserts(x: Any) -> Any:
    assert x.min() >= 0, "negative pixels"
    return x * 2


def asserts_without_words(x: Any) -> Any:
    assert (x >= 0).all()
    return x * 2


def raises(x: Any) -> Any:
    if x.min() < 0:
        raise ValueError(f"negative: {x.min()}")
    return x * 2


def raises_in_the_other_branch(x: Any) -> Any:
    if x.min() >= 0:
        x = x * 2
    else:
        raise ValueError("negative rows")
    return x


def asserts_in_a_branch(x: Any) -> Any:
    if x.sum() < 5:
        assert x.min() >= 0, "negative and small"
        x = x + 1
    return x


def asserts_in_a_loop(x: Any) -> Any:
    total = lampion.zeros(2)
    for row in x:
        assert row.min() >= 0, "a negative row"
        total = total + row
    return total


def raises_in_a_helper(x: Any) -> Any:
    def checked(row: Any) -> Any:
        if row.min() < 0:
            raise ArithmeticError("no root")
        return row.sqrt()

    return lampion.stack([checked(row) for row in x])


def looks_up_what_is_missing(x: Any) -> Any:
    names = {"up": 2.0}
    return x * (names["up"] if x.min() >= 0 else names["down"])


CASES: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (asserts, AssertionError, "negative pixels"),
    (asserts_without_words, AssertionError, "(x >= 0).all()"),
    (raises, ValueError, "ValueError: negative: "),
    (raises_in_the_other_branch, ValueError, "ValueError: negative rows"),
    (asserts_in_a_branch, AssertionError, "negative and small"),
    (asserts_in_a_loop, AssertionError, "a negative row"),
    (raises_in_a_helper, ArithmeticError, "ArithmeticError: no root"),
    (looks_up_what_is_missing, KeyError, "KeyError: 'down'"),
]


@pytest.mark.parametrize(("program", "error", "words"), CASES, ids=lambda v: getattr(v, "__name__", None))
def test_the_file_fails_where_the_program_does(
    program: Callable[[Any], Any], error: type[Exception], words: str
) -> None:
    model = build(program, {"x": ROWS}, {"x": {0: "rows"}})
    session = Session(serialized(model, complete_card(None, "checks", model.graph)))
    for x in (ROWS, ROWS[:1], ROWS * 0):
        [got] = session.run({"x": x}).values()
        np.testing.assert_allclose(got, program(lampion.from_numpy(x)).numpy(), rtol=1e-6)
    for x in (-ROWS, np.concatenate([ROWS[:1], -ROWS])):
        with pytest.raises(error):
            program(lampion.from_numpy(x))
        with pytest.raises(InputError) as caught:
            session.run({"x": x})
        message = str(caught.value)
        assert words in message
        assert "(test_checks.py:" in message
        assert "/" not in message, "no path of the machine that exported"


def test_what_would_be_dropped_is_refused() -> None:
    with pytest.raises(UntraceableError, match=r"inside of cond, while_loop"):
        build(lambda x: lampion.cond(x.sum() > 0, lambda: asserts(x), lambda: x), {"x": ROWS}, {"x": {0: "rows"}})
