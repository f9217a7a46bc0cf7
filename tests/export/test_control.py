"""Choices and loops that depend on the data, exported as If and Loop, on inputs that take every way through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.control import BranchError, cond, scan, while_loop
from lampion.control import map as map_rows
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized
from lampion_export.trace import Example
from lampion_export.verification import distance, run_eagerly

UP = np.linspace(0.5, 2, 12, dtype=np.float32).reshape(4, 3)
WEIGHT = lampion.from_numpy(np.linspace(-0.5, 0.5, 9, dtype=np.float32).reshape(3, 3))


def choice(x: Any) -> Any:
    return cond(x.sum() > 0, lambda: x * 2, lambda: x - 1)


def choice_of_shapes(x: Any) -> Any:
    return cond(x.sum() > 0, lambda: x[:2], lambda: x[:, :1].reshape(-1, 1).expand(-1, 3)).sum(0)


def choice_by_size(x: Any) -> Any:
    return cond(x.shape[0] > 2, lambda: x.sum(0), lambda: x.amax(0))


def choice_in_choice(x: Any) -> Any:
    def up() -> Any:
        return cond(x.amax() > 1.5, lambda: x + 10, lambda: x + 20)

    return cond(x.sum() > 0, up, lambda: cond(x.amin() < -1, lambda: -x, lambda: x))


def choice_of_several(x: Any) -> Any:
    a, named = cond(x.sum() > 0, lambda: (x, {"b": x.sum()}), lambda: (x * 0, {"b": x.amin()}))
    return a + named["b"]


def choice_with_operands(x: Any) -> Any:
    return cond((x > 0).any(), lambda y, z: y @ z, lambda y, z: y, (x, WEIGHT))


def loop(x: Any) -> Any:
    return while_loop(lambda y: y.abs().amax() > 0.1, lambda y: y / 2, (x,))[0]


def loop_that_counts(x: Any) -> Any:
    n, y = while_loop(lambda n, y: y.abs().amax() > 0.1, lambda n, y: (n + 1, y * 0.7), (0, x))
    return y * n


def loop_that_grows(x: Any) -> Any:
    def longer(n: Any, y: Any) -> Any:
        return n - 1, lampion.cat([y, y[-1:] * 0.5])

    return while_loop(lambda n, y: n > 0, longer, ((x > 0).sum(), x))[1]


def choice_in_loop(x: Any) -> Any:
    def turn(y: Any) -> Any:
        return cond(y.sum() > 1, lambda: y * 0.5, lambda: y.flip(0) * 0.8)

    return while_loop(lambda y: y.abs().amax() > 0.2, turn, (x,))[0]


def loop_in_loop(x: Any) -> Any:
    def inner(y: Any) -> Any:
        return while_loop(lambda z: z.abs().amax() > 1, lambda z: z / 3, (y,))[0] * 0.5

    return while_loop(lambda y: y.abs().amax() > 0.1, inner, (x,))[0]


def recurrence(x: Any) -> Any:
    last, every = scan(lambda h, row: ((row + h @ WEIGHT).tanh(), h.sum()), lampion.zeros(3), x)
    return last, every


def recurrence_backwards(x: Any) -> Any:
    return scan(lambda h, row: (h * 0.5 + row, h), x[0] * 0, x, reverse=True)[1]


def each_row(x: Any) -> Any:
    return map_rows(lambda row: row / row.abs().sum(), x)


def chosen(x: Any) -> Any:
    return x[x > 0].sum() + x[x > 0].shape[0]


def places(x: Any) -> Any:
    return (x > 1).nonzero() * 2


PROGRAMS = [
    choice, choice_of_shapes, choice_by_size, choice_in_choice, choice_of_several, choice_with_operands, loop, loop_that_counts,
    loop_that_grows, choice_in_loop, loop_in_loop, recurrence, recurrence_backwards, each_row, chosen, places,
]  # fmt: skip
INPUTS = [UP, -UP, UP * 0.01, UP[:1], -UP[:2] * 3, UP - 1.2, np.concatenate([UP, -UP * 2])]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_every_way_through_survives_export(program: Callable[..., Any]) -> None:
    example: Example = {"x": UP}
    model = build(program, example, {"x": {0: "batch"}})
    session = Session(serialized(model, complete_card(None, program.__name__, model.graph)))
    for x in INPUTS:
        want = run_eagerly(program, {"x": x}, [spec.name for spec in session.outputs])
        got = session.run({"x": x})
        for name, array in want.items():
            assert distance(array, got[name]) <= 1e-5 * max(1.0, float(np.abs(array).max(initial=0))), (name, x)


def test_the_programs_become_control_flow() -> None:
    kinds = {p.__name__: {n.op_type for n in build(p, {"x": UP}, {"x": {0: "batch"}}).graph} for p in PROGRAMS}
    assert all("If" in kinds[p.__name__] for p in PROGRAMS[:6])
    assert all("Loop" in kinds[p.__name__] for p in PROGRAMS[6:14])


def test_what_does_not_depend_on_the_data_stays_python() -> None:
    model = build(lambda x: cond(True, lambda: x + 1, lambda: x - 1), {"x": UP}, {})
    assert [n.op_type for n in model.graph] == ["Add"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda x: cond(x.sum() > 0, lambda: x, lambda: x.long()), r"float32 \[batch, 3\].*int64 \[batch, 3\]"),
        (lambda x: cond(x.sum() > 0, lambda: x, lambda: x[0]), "number of dims must agree"),
        (lambda x: cond(x.sum() > 0, lambda: x, lambda: (x, x)), "both must give the same"),
        (lambda x: while_loop(lambda y: y.sum() > 0, lambda y: y.long(), (x,))[0], "before the turn float32"),
        (lambda x: while_loop(lambda y: y.sum() > 0, lambda y: (y, y), (x,))[0], "takes 1 values and gives 2"),
    ],
)
def test_ways_that_disagree_are_named(program: Callable[..., Any], message: str) -> None:
    with pytest.raises(BranchError, match=message):
        build(program, {"x": UP}, {"x": {0: "batch"}})


def test_eager_control_flow_differentiates() -> None:
    x = lampion.tensor([1.0, 2.0], requires_grad=True)
    y = while_loop(lambda y: y.sum() < 100, lambda y: y * 2, (cond(x.sum() > 0, lambda: x * x, lambda: x),))[0]
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [64.0, 128.0])
