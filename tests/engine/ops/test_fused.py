"""Fused ops: one node on the tape, with the numbers and the gradients of their plain ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion.autograd import grad
from lampion.kernels.convolution import Geometry
from lampion.nn import functional as F
from lampion.nn.functional.linear import Linear
from lampion.nn.functional.loss import CrossEntropy
from lampion.nn.functional.norm import BatchNorm, LayerNorm
from lampion.nn.functional.recurrent import GruLayer, LstmLayer, ReluLayer, TanhLayer
from lampion.ops.fused import Fused
from lampion.ops.pool import LargestOfWindows
from lampion.tape import grad_mode

RNG = np.random.default_rng(0)
CLASSES = np.array([[0, 2], [1, -100], [3, 1]])


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape)


def recurrent(gates: int, states: int, directions: int, bias: bool, state: bool) -> list[np.ndarray[Any, Any]]:
    """Inputs of a layer: x [time, n, in], perhaps a first state, and the weights of every direction."""
    first = [normal(directions, 2, 2) for _ in range(states)] if state else []
    weights = [normal(gates * 2, 3), normal(gates * 2, 2), *[normal(gates * 2) for _ in range(2 * bias)]]
    return [normal(3, 2, 3), *first, *[0.5 * normal(*w.shape) for _ in range(directions) for w in weights]]


CASES: list[tuple[Fused, list[np.ndarray[Any, Any]]]] = [
    (Linear(), [normal(3, 4), normal(5, 4)]),
    (Linear(), [normal(2, 3, 4), normal(5, 4), normal(5)]),
    (Linear(), [normal(4), normal(5, 4), normal(5)]),
    *[(CrossEntropy(-100, reduction), [normal(3, 4, 2), CLASSES]) for reduction in ("mean", "sum", "none")],
    (CrossEntropy(1, "mean"), [normal(3, 4), np.array([0, 3, 2])]),
    *[
        (BatchNorm(1e-5, weight, bias), [normal(*shape), *[normal(3) for _ in range(weight + bias)]])
        for weight, bias in ((True, True), (True, False), (False, True), (False, False))
        for shape in ((4, 3), (2, 3, 2, 3))
    ],
    *[
        (LayerNorm(1e-5, weight, bias, 2), [normal(3, 2, 3), *[normal(2, 3) for _ in range(weight + bias)]])
        for weight, bias in ((True, True), (True, False), (False, True), (False, False))
    ],
    *[
        (LargestOfWindows(size, at), [np.round(normal(2, 3, 6, 5), 1)])  # rounded, so that some are equal
        for size, at in (
            ((2, 2), Geometry((2, 2), (0, 0), (1, 1))),
            ((3, 3), Geometry((1, 2), (1, 1), (1, 1))),
            ((2, 3), Geometry((2, 1), (1, 0), (2, 1))),
        )
    ],
    *[
        (layer((2,) * states, directions, bias, state), recurrent(gates, states, directions, bias, state))
        for layer, gates, states in ((TanhLayer, 1, 1), (ReluLayer, 1, 1), (GruLayer, 3, 1), (LstmLayer, 4, 2))
        for directions, bias, state in ((1, True, True), (2, True, False), (2, False, True))
    ],
]


def tensors(arrays: list[np.ndarray[Any, Any]]) -> list[lampion.Tensor]:
    return [lampion.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]


def many(result: Any) -> list[lampion.Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize(("op", "arrays"), CASES, ids=lambda x: repr(x) if isinstance(x, Fused) else "")
class TestFused:
    def test_as_in_plain_ops(self, op: Fused, arrays: list[np.ndarray[Any, Any]]) -> None:
        """Outputs and gradients, of all outputs and of each alone, where all inputs want them and where one does."""
        inputs, twins = tensors(arrays), tensors(arrays)
        ours, theirs = many(op(*inputs)), many(op.plain(*twins))
        assert all(y.grad_fn.op is op for y in ours)
        wanted = [i for i, x in enumerate(inputs) if x.requires_grad]
        for y, z in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-12)
        smooth = [0] if isinstance(op, BatchNorm) else range(len(ours))  # what else it gives is for running statistics
        for chosen in (smooth, *([k] for k in smooth)):
            weights = [lampion.tensor(normal(*ours[k].shape)) for k in chosen]
            for places in (wanted, wanted[-1:]):
                found = self.gradients(ours, inputs, chosen, weights, places)
                expected = self.gradients(theirs, twins, chosen, weights, places)
                for a, b in zip(found, expected, strict=True):
                    assert (a is None) is (b is None)
                    if a is not None:
                        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-8, atol=1e-10)

    @staticmethod
    def gradients(outputs: Any, inputs: Any, chosen: Any, weights: Any, places: list[int]) -> Any:
        total = sum((outputs[k] * w).sum() for k, w in zip(chosen, weights, strict=True))
        return grad(total, [inputs[i] for i in places], retain_graph=True, allow_unused=True)

    def test_without_gradients_the_same(self, op: Fused, arrays: list[np.ndarray[Any, Any]]) -> None:
        inputs = tensors(arrays)
        recorded = many(op(*inputs))
        with lampion.no_grad():
            bare = many(op(*inputs))
        assert not any(y.requires_grad for y in bare)
        for y, z in zip(bare, recorded, strict=True):
            np.testing.assert_array_equal(y.numpy(), z.detach().numpy())

    def test_gradients_have_gradients(self, op: Fused, arrays: list[np.ndarray[Any, Any]]) -> None:
        inputs, twins = tensors(arrays), tensors(arrays)
        for a, b in zip(self.second(op, inputs), self.second(op.plain, twins), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-8, atol=1e-10)

    @staticmethod
    def second(function: Callable[..., Any], inputs: list[lampion.Tensor]) -> Any:
        smooth = [x for x in inputs if x.requires_grad]
        y = many(function(*inputs))[0]
        first = grad((y * y * y).sum(), smooth, create_graph=True)
        return grad(sum((g * g).sum() for g in first), smooth)


def test_one_input_twice_gets_its_gradient_once() -> None:
    x, twin = (lampion.tensor(np.eye(3) + 0.1, requires_grad=True) for _ in range(2))
    (Linear()(x, x) ** 2).sum().backward(create_graph=True)
    (Linear().plain(twin, twin) ** 2).sum().backward(create_graph=True)
    assert x.grad is not None
    assert twin.grad is not None
    np.testing.assert_allclose(x.grad.detach().numpy(), twin.grad.detach().numpy())


def test_hooks_are_called_once() -> None:
    calls: list[str] = []

    def told(name: str) -> Callable[[Any], None]:
        return lambda g: calls.append(name)

    x, layer = lampion.tensor(normal(2, 3), requires_grad=True), nn.Linear(3, 4, dtype=lampion.float64)
    y = x * 2
    for name, t in (("y", y), ("weight", layer.weight)):
        t.register_hook(told(name))
    grad(layer(y).sum(), [x, layer.weight], create_graph=True)
    assert sorted(calls) == ["weight", "y"]


def test_what_was_overwritten_is_not_computed_with() -> None:
    x, layer = lampion.tensor(normal(2, 3), requires_grad=True), nn.Linear(3, 4, dtype=lampion.float64)
    loss = F.cross_entropy(layer(x), lampion.tensor([1, 2]))
    with lampion.no_grad():
        layer.bias.add_(1)  # whose numbers the gradient doesn't look at
    loss.backward(retain_graph=True)
    with lampion.no_grad():
        layer.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_dtypes_that_differ_are_told_as_ever() -> None:
    with pytest.raises(RuntimeError, match="matmul: expected operands of one dtype"):
        nn.Linear(3, 4)(lampion.tensor(normal(2, 3)))


def test_a_nan_is_the_largest_of_its_window() -> None:
    x = lampion.tensor([[[[1.0, np.nan, 2.0, 3.0]]]], requires_grad=True)
    y = F.max_pool2d(x, (1, 2))
    y.sum().backward()
    np.testing.assert_array_equal(y.detach().numpy(), [[[[np.nan, 3.0]]]])
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [[[[0, 1, 0, 1]]]])


def test_nothing_is_kept_for_a_gradient_that_nobody_can_ask_for() -> None:
    op = LayerNorm(1e-5, False, False, 1)
    assert isinstance(op.kernel(normal(2, 3)), tuple)
    grad_mode.enabled = False
    try:
        assert isinstance(op.kernel(normal(2, 3)), np.ndarray)
    finally:
        grad_mode.enabled = True
