"""Backward through choices and loops that depend on the data: as a graph beside eager, at every number of turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import lampion
from lampion import autograd
from lampion.control import cond, scan, while_loop
from lampion.errors import UntraceableError
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized
from lampion_export.verification import distance

rng = np.random.default_rng(0)
W = rng.standard_normal((3, 3)) * 0.7
KNOWN = lampion.from_numpy(rng.standard_normal((3, 3)) * 0.5)


def word_rnn(x: Any, w: Any) -> Any:
    h = x.sum(0) * 0
    n = 0
    while n < len(x):
        h = (x[n] + h @ w).tanh()
        n += 1
    return (h * h).sum()


def adaptive(x: Any, w: Any) -> Any:
    h = x.sum(0)
    halt, out, n = h.sum() * 0, h * 0, 0
    while halt < 0.95 and n < 12:
        h = (h @ w).tanh()
        p = h.sum().sigmoid() * 0.4
        out = out + p * h
        halt = halt + p
        n += 1
    return (out * out).sum() + n * halt


def collected(x: Any, w: Any) -> Any:
    h, every = x.sum(0) * 0, [x.sum(0)]
    for row in x:
        h = (row + h @ w).tanh()
        every.append(h * 2)
    return (lampion.stack(every) ** 3).sum()


def choices(x: Any, w: Any) -> Any:
    if x.sum() > 0:
        y = (x @ w).sigmoid()
        if y.sum() > 4.5:
            y = y * x
    else:
        y = (x * x) @ w[:, :1]
    return y.sum()


def one_way_only(x: Any, w: Any) -> Any:
    y = x.sum(0)
    if y.sum() > 0:
        y = y @ w
    return (y * y).sum()


def left_early(x: Any, w: Any) -> Any:
    h = x.sum(0) * 0.5
    for row in x:
        if row.sum() > 0:
            h = h @ w + row
            continue
        if row[0] < -1.2:
            break
        h = h * 0.5
    else:
        h = h * 2
    return h.tanh().sum()


def nested(x: Any, w: Any) -> Any:
    h = x.sum(0) * 0.1
    for row in x:
        turns = 0
        while h.abs().amax() > 0.3 and turns < 4:
            h = h * 0.6 + (h @ w) * 0.1
            turns += 1
        h = h + row if h.sum() < 0.2 else h - row * h
    return (h * h).sum()


def a_size_of_its_own(x: Any, w: Any) -> Any:
    y = x[x[:, 0] > 0]
    n = 0
    while n < len(y):
        y = y @ w * 0.5
        n += 1
    return (y * y).sum() + x.sum()


def whole_numbers_beside(x: Any, w: Any) -> Any:
    h, place, odd = x.sum(0), 0, True
    while place < 2 * len(x):
        h = h + w[place % 3] * (place if odd else 1)
        place, odd = place + 2, not odd
    return (h * h).sum()


def checked(x: Any, w: Any) -> Any:
    h = x.sum(0)
    for row in x:
        assert row.abs().amax() < 1e6
        h = (h @ w) * row
    return h.sum()


def known_weights(x: Any, w: Any) -> Any:
    h = x.sum(0)
    for row in x:
        h = (h @ KNOWN + (w * w).sum()).tanh() - row
    return h.sum()


def in_words(x: Any, w: Any) -> Any:
    last, every = scan(lambda h, row: ((row + h @ w).tanh(), h.sum() * row), x.sum(0), x)
    halved = while_loop(lambda y: y.abs().amax() > 0.1, lambda y: y / 2, (last,))[0]
    return cond(halved.sum() > 0, lambda: (halved * last).sum(), lambda: halved.sum()) + (every * every).sum()


def reads_what_grows(x: Any, w: Any) -> Any:
    y, n = x.sum(0, keepdim=True), 0
    while n < len(x):
        y = lampion.cat([y, y[-1:] @ w])
        n += 1
    return (y * y).sum()


def backwards(x: Any, w: Any) -> Any:
    return scan(lambda h, row: (h * row + row @ w, h * h), x.sum(0), x, reverse=True)[1].sum() + x.sum()


def detached(x: Any, w: Any) -> Any:
    h = x.sum(0)
    for row in x:
        h = h.detach() * row + h * 0.5 @ w
    return h.sum()


PROGRAMS = [
    word_rnn, adaptive, collected, choices, one_way_only, left_early, nested, a_size_of_its_own, whole_numbers_beside, checked,
    known_weights, in_words, backwards, detached, reads_what_grows,
]  # fmt: skip
TWICE = [word_rnn, adaptive, choices, left_early, nested, in_words]
FROM_ONE_ON = [in_words, backwards]  # of no rows, scan can't know the shape of what it stacks
TURNS = (0, 1, 2, 3, 8)


def slopes(program: Callable[..., Any]) -> Callable[..., Any]:
    """The program, and its gradients by x and w."""

    def step(x: Any, w: Any) -> Any:
        x.requires_grad_(), w.requires_grad_()
        with lampion.enable_grad():
            y = program(x, w)
            grads = autograd.grad(y, (x, w), allow_unused=True)
        return y.detach(), *[t.detach() * 0 if g is None else g for g, t in zip(grads, (x, w), strict=True)]

    return step


def slopes_of_slopes(program: Callable[..., Any]) -> Callable[..., Any]:
    """The gradients of the square of the gradient by x."""

    def penalty(x: Any, w: Any) -> Any:
        (g,) = autograd.grad(program(x, w), x, create_graph=True)
        return (g * g).sum() + x.sum() * 0

    return slopes(penalty)


def compare(step: Callable[..., Any], turns: tuple[int, ...]) -> None:
    """Asserts that graph and eager agree in float64."""
    example = {"x": rng.standard_normal((4, 3)), "w": W}
    model = build(step, example, {"x": {0: "time"}})
    session = Session(serialized(model, complete_card(None, "step", model.graph)))
    for n in turns:
        for x in (rng.standard_normal((n, 3)), -np.abs(rng.standard_normal((n, 3)))):
            want = [t.detach().numpy() for t in step(lampion.from_numpy(x.copy()), lampion.from_numpy(W.copy()))]
            got = session.run({"x": x, "w": W}).values()
            for a, b in zip(want, got, strict=True):
                assert distance(a, b) <= 1e-9 * max(1.0, float(np.abs(a).max(initial=0))), (n, a, b)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_the_gradient_is_that_of_eager_at_every_number_of_turns(program: Callable[..., Any]) -> None:
    compare(slopes(program), TURNS[1:] if program in FROM_ONE_ON else TURNS)


@pytest.mark.parametrize("program", TWICE, ids=lambda p: p.__name__)
def test_and_so_is_the_gradient_of_the_gradient(program: Callable[..., Any]) -> None:
    compare(slopes_of_slopes(program), TURNS[1:4])


def test_a_parameter_known_while_tracing_gets_its_gradient() -> None:
    weight = lampion.from_numpy(W.copy()).requires_grad_()

    def step(x: Any) -> Any:
        with lampion.enable_grad():
            doubled = weight * 2
            h = x.sum(0) + weight[0]
            for row in x:
                h = (h @ doubled + row).tanh() if row.sum() > 0 else h * weight[0]
            (g,) = autograd.grad(h.sum(), weight, allow_unused=True)
        return weight.detach() * 0 if g is None else g

    example = {"x": rng.standard_normal((4, 3))}
    model = build(step, example, {"x": {0: "time"}})
    session = Session(serialized(model, complete_card(None, "step", model.graph)))
    for n in TURNS:
        x = rng.standard_normal((n, 3))
        [got] = session.run({"x": x}).values()
        np.testing.assert_allclose(got, step(lampion.from_numpy(x)).numpy(), atol=1e-12)


def test_the_gradient_of_a_loop_is_a_loop_and_nothing_is_kept_for_one_that_nobody_asks_for() -> None:
    def loops(program: Callable[..., Any]) -> list[int]:
        model = build(program, {"x": rng.standard_normal((4, 3)), "w": W}, {"x": {0: "time"}})
        return [len(n.outputs) - len(n.inputs) + 2 for n in model.graph if n.op_type == "Loop"]

    def unasked(x: Any, w: Any) -> Any:
        w.requires_grad_()
        with lampion.enable_grad():
            return word_rnn(x, w).detach()

    assert loops(slopes(word_rnn)) == [2, 0]  # what h and n are when a turn begins
    assert loops(unasked) == [0]


@pytest.mark.parametrize(("program", "sequences"), [(collected, 0), (reads_what_grows, 1)])
def test_what_changes_its_shape_is_kept_only_where_its_numbers_are_needed(
    program: Callable[..., Any], sequences: int
) -> None:
    model = build(slopes(program), {"x": rng.standard_normal((4, 3)), "w": W}, {"x": {0: "time"}})
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    assert [n.op_type for n in nodes].count("SequenceInsert") == sequences


def draws(x: Any, w: Any) -> Any:
    h = x.sum(0)
    for row in x:
        h = lampion.nn.functional.dropout(h @ w, 0.5) if row.sum() > 0 else h
    return h.sum()


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (slopes(draws), r"random numbers inside\n  at .*test_control_gradients.py:\d+"),
        (
            slopes_of_slopes(reads_what_grows),
            r"change their shape from turn to turn\n  at .*test_control_gradients.py:\d+",
        ),
    ],
)
def test_what_a_graph_does_not_keep_is_refused(step: Callable[..., Any], words: str) -> None:
    with pytest.raises(UntraceableError, match=words):
        build(step, {"x": rng.standard_normal((4, 3)), "w": W}, {"x": {0: "time"}})
