"""bfloat16: what ops make of it, in memory and on the tape. Every op beside PyTorch's is in tests/oracle/test_bfloat16.py."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import bfloat16, nn
from lampion.autograd import Function
from lampion.utils.checkpoint import checkpoint

STORED = bfloat16.numpy


def drawn(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(STORED)


def rounded(x: Any) -> Any:
    """float32 to the nearest of 8 significant bits, halves to even, by arithmetic on the bits."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (lambda a, b: a + b, lambda a, b: a + b),
        (lambda a, b: a * b, lambda a, b: a * b),
        (lambda a, b: a @ b.T, lambda a, b: a @ b.T),
        (lambda a, b: a.exp(), lambda a, b: np.exp(a)),
        (lambda a, b: a.sum(1), lambda a, b: a.sum(1)),
        (lambda a, b: a.cumsum(0), lambda a, b: a.cumsum(0)),
    ],
    ids=["add", "mul", "matmul", "exp", "sum", "cumsum"],
)
def test_an_op_computes_in_float32_and_rounds_once(function: Callable[..., Any], reference: Callable[..., Any]) -> None:
    a, b = drawn(3, 500), drawn(3, 500)
    got = function(lampion.from_numpy(a), lampion.from_numpy(b))
    assert got.dtype is bfloat16
    want = rounded(reference(a.astype(np.float32), b.astype(np.float32)))
    np.testing.assert_allclose(
        got.float().numpy(), want, rtol=2**-8, atol=0
    )  # a last bit for another order of summation


@pytest.mark.parametrize(
    "make",
    [
        lambda: lampion.zeros(2, dtype=bfloat16), lambda: lampion.full((2,), 1.5, dtype=bfloat16),
        lambda: lampion.tensor([1.0], dtype=bfloat16), lambda: lampion.arange(3, dtype=bfloat16),
        lambda: lampion.linspace(0, 1, 3, dtype=bfloat16), lambda: lampion.eye(2, dtype=bfloat16),
        lambda: lampion.randn(2, dtype=bfloat16), lambda: lampion.rand(2, dtype=bfloat16),
        lambda: lampion.ones(2).bfloat16(), lambda: lampion.ones(2).to(bfloat16),
        lambda: lampion.tensor(drawn(2)), lambda: lampion.from_numpy(drawn(2)),
        lambda: lampion.zeros_like(lampion.tensor(drawn(2))),
        lambda: copy.deepcopy(lampion.tensor(drawn(2))), lambda: pickle.loads(pickle.dumps(lampion.tensor(drawn(2)))),
        lambda: lampion.ones(2, dtype=bfloat16).t(), lambda: nn.Linear(2, 2).bfloat16().weight,
    ],
)  # fmt: skip
def test_ways_to_one(make: Callable[[], Any]) -> None:
    x = make()
    assert x.dtype is bfloat16
    assert x.detach().numpy().dtype == STORED
    assert (x.element_size(), x.is_floating_point(), x.is_signed()) == (2, True, True)


def test_it_prints_as_other_floats_do() -> None:
    assert repr(lampion.tensor([1.0, 2.5], dtype=bfloat16)) == "tensor([1. , 2.5], dtype=lampion.bfloat16)"
    assert lampion.tensor([1.0, 2.5], dtype=bfloat16).tolist() == [1.0, 2.5]


def test_views_share_memory_and_follow_changes() -> None:
    x = lampion.zeros(2, 3, dtype=bfloat16)
    row, flat = x[0], x.reshape(-1)
    x += 1
    row.mul_(3)
    assert (x.tolist(), flat.tolist()) == ([[3, 3, 3], [1, 1, 1]], [3, 3, 3, 1, 1, 1])
    assert x.numpy().base is not None or x.numpy() is x._value.data


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x * 2).sum(), lambda x: x.t().reshape(-1)[2:5].sum(), lambda x: x.clone().sum(), lambda x: x.float().sum(),
        lambda x: x.max(1).values.sum(), lambda x: lampion.cat([x, x]).sum(), lambda x: x[lampion.tensor([1, 1])].sum(),
        lambda x: Doubled.apply(x).sum(), lambda x: checkpoint(lambda y: y * 3, x, use_reentrant=False).sum(),
    ],
)  # fmt: skip
def test_gradients_are_bfloat16_and_those_of_float32(function: Callable[[Any], Any]) -> None:
    x = lampion.tensor(drawn(2, 3), requires_grad=True)
    y = x.float().detach().requires_grad_()
    function(x).backward()
    function(y).backward()
    assert x.grad is not None
    assert y.grad is not None
    assert x.grad.dtype is bfloat16
    np.testing.assert_array_equal(x.grad.float().numpy(), y.grad.numpy())


class Doubled(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 2


def test_without_grad_nothing_is_recorded() -> None:
    x = lampion.tensor(drawn(2, 2), requires_grad=True)
    with lampion.no_grad():
        assert not x.t().requires_grad
        assert not x.float().requires_grad
    assert not (x > 0).requires_grad
    assert not x.long().requires_grad


def test_a_model_trains_and_its_weights_survive_a_file(tmp_path: Path) -> None:
    lampion.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2)).bfloat16()
    optimizer = lampion.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x = lampion.randn(32, 4)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(x.bfloat16()), (x[:, 0] > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
    lampion.save(model.state_dict(), tmp_path / "w")
    state = lampion.load(tmp_path / "w")
    assert {t.dtype for t in state.values()} == {bfloat16}
    again = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2)).bfloat16()
    again.load_state_dict(state)
    assert lampion.equal(again(x.bfloat16()), model(x.bfloat16()))


def test_operands_of_two_dtypes_meet_in_the_wider() -> None:
    x = lampion.ones(2, dtype=bfloat16)
    assert (x + lampion.ones(2)).dtype is lampion.float32
    assert (x + lampion.ones(2).half()).dtype is lampion.float32
    assert (x + 1.5).dtype is (x * lampion.arange(2)).dtype is bfloat16
    with pytest.raises(RuntimeError, match=r"one dtype, got lampion.bfloat16 and lampion.float32"):
        x @ lampion.ones(2)
