"""Optimizers: formulas by hand, groups, state, wrong uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn, optim

KINDS = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad]


def parameter(*values: float, grad: list[float] | None = None) -> nn.Parameter:
    p = nn.Parameter(lampion.tensor(list(values), dtype=lampion.float64))
    p.grad = None if grad is None else lampion.tensor(grad, dtype=lampion.float64)
    return p


# After one step from p = 2 with gradient g = 3.
FIRST_STEP: list[tuple[Callable[[Any], optim.Optimizer], float]] = [
    (lambda p: optim.SGD([p], lr=0.1), 2 - 0.3),
    (lambda p: optim.SGD([p], lr=0.1, weight_decay=0.5), 2 - 0.1 * (3 + 1)),
    (lambda p: optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True), 2 - 0.1 * (3 + 0.9 * 3)),
    (lambda p: optim.SGD([p], lr=0.1, maximize=True), 2.3),
    (lambda p: optim.SGD([p], lr=lampion.tensor(0.1)), 2 - 0.3),
    (lambda p: optim.Adam([p], lr=0.1), 1.9),
    (lambda p: optim.AdamW([p], lr=0.1, weight_decay=0.5), 2 * 0.95 - 0.1),
    (lambda p: optim.RMSprop([p], lr=0.1, alpha=0.75), 2 - 0.1 * 3 / 1.5),
    (lambda p: optim.Adagrad([p], lr=0.1, initial_accumulator_value=16), 2 - 0.1 * 3 / 5),
]


@pytest.mark.parametrize(("make", "expected"), FIRST_STEP)
def test_first_step(make: Callable[[Any], optim.Optimizer], expected: float) -> None:
    p = parameter(2.0, grad=[3.0])
    make(p).step()
    assert p.item() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_finds_the_minimum(kind: Any) -> None:
    p = parameter(3.0, -2.0)
    optimizer = kind([p], lr=0.1)
    for _ in range(500):
        optimizer.zero_grad()
        ((p - lampion.tensor([1.0, 0.5], dtype=lampion.float64)) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), [1.0, 0.5], atol=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_state_round_trip(kind: Any) -> None:
    p, q = parameter(3.0, -2.0, grad=[1.0, 2.0]), parameter(1.0)
    one = kind([{"params": [p]}, {"params": [q], "lr": 0.5}])
    one.step()
    state = one.state_dict()
    assert [g["params"] for g in state["param_groups"]] == [[0], [1]]
    assert set(state["state"]) <= {0}
    other = kind([{"params": [parameter(3.0, -2.0)]}, {"params": [parameter(1.0)]}])
    other.load_state_dict(state)
    assert other.param_groups[1]["lr"] == 0.5
    assert other.state_dict()["state"].keys() == state["state"].keys()
    for k, v in state["state"].get(0, {}).items():
        np.testing.assert_array_equal(other.state_dict()["state"][0][k].numpy(), v.numpy())


def test_parameters_without_gradient_stay_and_dtypes_are_kept() -> None:
    idle, half = parameter(1.0), nn.Parameter(lampion.ones(2, dtype=lampion.float16))
    half.grad = lampion.ones(2, dtype=lampion.float16)
    optimizer = optim.Adam([idle, half], lr=0.5)
    optimizer.step()
    assert idle.item() == 1.0
    assert half.dtype is lampion.float16
    assert half.tolist() == pytest.approx([0.5, 0.5], abs=1e-2)


def test_zero_grad_closure_and_groups() -> None:
    p = parameter(1.0, grad=[2.0])
    optimizer = optim.SGD([("name", p)], lr=1.0)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is not None
    assert p.grad.item() == 0

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    assert p.item() == -1.0
    optimizer.add_param_group({"params": parameter(5.0), "lr": 0.1})
    assert [g["lr"] for g in optimizer.param_groups] == [1.0, 0.1]
    assert repr(optimizer).startswith("SGD(lr=1.0, momentum=0")


def test_updates_leave_nothing_on_the_tape() -> None:
    p = parameter(1.0, grad=[2.0])
    optim.Adam([p]).step()
    assert p.is_leaf
    assert p.requires_grad


def test_a_new_optimizer_is_one_formula() -> None:
    class SignSGD(optim.Optimizer):
        def update(self, p: Any, grad: Any, group: dict[str, Any], state: dict[str, Any]) -> None:
            p.sub_(grad.sign() * group["lr"])

    p = parameter(1.0, 2.0, grad=[-3.0, 5.0])
    SignSGD([p], {"lr": 0.5}).step()
    assert p.tolist() == [1.5, 1.5]


P = parameter(1.0)
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: optim.SGD([]), ValueError, "SGD: got an empty list of parameters"),
    (lambda: optim.SGD(P), TypeError, "expected several Tensors or dicts as params, got one Tensor"),
    (lambda: optim.SGD([P, P]), ValueError, r"a parameter of shape \[1\] appears twice"),
    (lambda: optim.SGD([{"params": [P]}, {"params": [P]}]), ValueError, "appears twice"),
    (lambda: optim.SGD([1.0]), TypeError, "expected leaf Tensors as parameters, got float"),  # type: ignore[list-item]
    (lambda: optim.SGD([P * 2]), TypeError, "got a computed Tensor"),
    (lambda: optim.SGD([P], lr=-1), ValueError, "SGD: expected lr of at least 0, got -1"),
    (lambda: optim.SGD([P], nesterov=True), ValueError, "nesterov needs a momentum"),
    (lambda: optim.Adam([P], betas=(1.0, 0.9)), ValueError, "Adam: expected beta1 from 0 to below 1, got 1.0"),
    (lambda: optim.AdamW([P], eps=-1), ValueError, "AdamW: expected eps of at least 0"),
    (lambda: optim.Optimizer([parameter(1.0, grad=[1.0])], {}).step(), NotImplementedError, "expected a method `update`"),
    (lambda: optim.SGD([P]).load_state_dict(optim.SGD([P, parameter(2.0)]).state_dict()), ValueError,
     r"expected groups of \[1\] parameters, got \[2\]"),
]  # fmt: skip


@pytest.mark.parametrize(("use", "kind", "message"), WRONG, ids=[m for _, _, m in WRONG])
def test_message(use: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        use()


SETTINGS: list[tuple[type[optim.Optimizer], dict[str, Any]]] = [
    (optim.SGD, {}),
    (optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.SGD, {"momentum": 0.9, "dampening": 0.5, "maximize": True}),
    (optim.Adam, {}),
    (optim.Adam, {"weight_decay": 0.1, "amsgrad": True}),
    (optim.Adam, {"betas": (0.0, 0.9), "maximize": True}),
    (optim.AdamW, {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("kind", "settings"), SETTINGS)
def test_in_memory_as_by_the_formula(kind: type[optim.Optimizer], settings: dict[str, Any]) -> None:
    """A subclass that changes `update` runs it; what runs otherwise gives the same, in pieces and in place."""
    ran = []

    class Slow(kind):  # type: ignore[misc, valid-type]
        def update(self, p: Any, grad: Any, group: dict[str, Any], state: dict[str, Any]) -> None:
            ran.append(p)
            super().update(p, grad, group, state)

    rng = np.random.default_rng(0)
    start = rng.standard_normal((3, 15_000)).astype(np.float32)
    arrays = [start.copy(), start.copy()]
    params = [nn.Parameter(lampion.from_numpy(a)) for a in arrays]
    optimizers = [kind([params[0]], lr=0.05, **settings), Slow([params[1]], lr=0.05, **settings)]
    for _ in range(4):
        grad = rng.standard_normal(start.shape).astype(np.float32)
        for p, optimizer in zip(params, optimizers, strict=True):
            p.grad = lampion.from_numpy(grad.copy())
            optimizer.step()
            np.testing.assert_array_equal(p.grad.numpy(), grad)
    assert len(ran) == 4
    assert not np.array_equal(arrays[0], start)
    np.testing.assert_allclose(*arrays, rtol=2e-6, atol=2e-6)
    for name, state in optimizers[0].state[params[0]].items():
        np.testing.assert_allclose(state.numpy(), optimizers[1].state[params[1]][name].numpy(), rtol=2e-6, atol=2e-6)


def test_what_backward_needs_is_not_overwritten_unseen() -> None:
    p = nn.Parameter(lampion.ones(3))
    optimizer = optim.Adam([p])
    for _ in range(2):
        loss = (p * p).sum()
        loss.backward(retain_graph=True)
        optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
