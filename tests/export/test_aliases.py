"""Two names of one tensor: what is written by one shows by the other in the file too, or is refused; never lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.errors import UntraceableError
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized

X = np.linspace(0.5, 2, 12, dtype=np.float32).reshape(4, 3)


def rows_are_views(x: Any) -> Any:
    x = x.clone()
    for row in x:
        row *= 2
    return x


def a_row_at_a_place_is_a_view(x: Any) -> Any:
    x = x.clone()
    row = x[int((x[:, 0] > 0.7).sum()) - 1]
    row += 1
    return x


def a_branch_writes_to_what_it_returns(x: Any) -> Any:
    y = x * 1
    if x.sum() > 5:
        y.neg_()
        return y
    return y + 1


def clones_of_a_state(x: Any) -> Any:
    state, states = lampion.zeros(3), []
    for row in x:
        state += row
        states.append(state.clone())
    return lampion.stack(states)


def items_are_written_to(x: Any) -> Any:
    items = []
    for row in x:
        items.append(row * 2)
    items[-1] += 1
    for item in items:
        item *= 0.5
    return lampion.stack(items)


def the_state_itself_in_a_list(x: Any) -> Any:
    state, states = lampion.zeros(3), []
    for row in x:
        state += row
        states.append(state)
    return lampion.stack(states)


def items_of_a_slice(x: Any) -> Any:
    items = []
    for row in x:
        items.append(row * 2)
    for item in items[:2]:
        item *= 0.5
    return lampion.stack(items)


def rows_in_a_list(x: Any) -> Any:
    x = x.clone()
    rows = []
    for row in x:
        rows.append(row)
    x *= 2
    return lampion.stack(rows)


def one_of_two(x: Any) -> Any:
    a, b = x * 1, x * 2
    c = a if x.sum() > 5 else b
    c += 1
    return a + b


def the_last_row_of_a_loop(x: Any) -> Any:
    x = x.clone()
    last = x[0]
    for row in x:
        last = row
    last *= 2
    return x


def what_one_branch_put_into_a_list(x: Any) -> Any:
    row, rows = x[0] * 1, [x[0]]
    if x.sum() > 20:
        row = row * 2
    else:
        rows.insert(0, row)
    row += 1
    return lampion.stack(rows).sum(0) + row


KEPT: list[Callable[[Any], Any]] = [
    rows_are_views,
    a_row_at_a_place_is_a_view,
    a_branch_writes_to_what_it_returns,
    clones_of_a_state,
    items_are_written_to,
]
REFUSED: list[Callable[[Any], Any]] = [
    the_state_itself_in_a_list,
    items_of_a_slice,
    rows_in_a_list,
    one_of_two,
    the_last_row_of_a_loop,
    what_one_branch_put_into_a_list,
]


@pytest.mark.parametrize("program", KEPT, ids=lambda p: p.__name__)
def test_what_is_written_shows(program: Callable[[Any], Any]) -> None:
    model = build(program, {"x": X}, {"x": {0: "rows"}})
    session = Session(serialized(model, complete_card(None, "aliases", model.graph)))
    for x in (X, X[:2], -X):
        [got] = session.run({"x": x}).values()
        np.testing.assert_allclose(got, program(lampion.from_numpy(x.copy())).numpy(), rtol=1e-6)


@pytest.mark.parametrize("program", REFUSED, ids=lambda p: p.__name__)
def test_what_would_be_lost_is_refused(program: Callable[[Any], Any]) -> None:
    with pytest.raises(UntraceableError, match="may be another one too") as caught:
        build(program, {"x": X}, {"x": {0: "rows"}})
    assert caught.value.where.startswith(__file__)
