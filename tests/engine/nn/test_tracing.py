"""Every module traced without numbers, at a batch size that varies: shapes and dtypes as eager, and no look at data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion.nn import functional as F
from lampion.symbolic import Spec, SymInt
from lampion.tape import Primitive, Trace, Value, recording, wrap

LINE, IMAGE, VOLUME = (4, 9), (4, 7, 6), (4, 5, 6, 4)

MODULES: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (lambda: nn.Linear(3, 2), (5, 3)),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (4, 3)),
    (lambda: nn.Unflatten(1, (2, -1)), (6,)),
    (lambda: nn.Conv1d(4, 6, 3, padding="same"), LINE),
    (lambda: nn.Conv2d(4, 6, 3, 2, 1, groups=2), IMAGE),
    (lambda: nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect"), IMAGE),
    (lambda: nn.Conv3d(4, 6, 2), VOLUME),
    (lambda: nn.ConvTranspose2d(4, 6, 3, 2, output_padding=1), IMAGE),
    (lambda: nn.MaxPool2d(2), IMAGE),
    (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), IMAGE),
    (lambda: nn.AdaptiveAvgPool2d(1), IMAGE),
    (lambda: nn.AdaptiveAvgPool2d((3, 4)), IMAGE),
    (lambda: nn.AdaptiveMaxPool2d((3, 4)), IMAGE),
    (lambda: nn.BatchNorm2d(4), IMAGE),
    (lambda: nn.InstanceNorm2d(4, affine=True), IMAGE),
    (lambda: nn.LayerNorm((7, 6)), IMAGE),
    (lambda: nn.RMSNorm(6), IMAGE),
    (lambda: nn.GroupNorm(2, 4), IMAGE),
    (lambda: nn.Dropout(), IMAGE),
    (lambda: nn.PReLU(4), IMAGE),
    (lambda: nn.GRU(4, 5, 2, batch_first=True, bidirectional=True), (6, 4)),
    (lambda: nn.LSTM(4, 5, batch_first=True), (6, 4)),
    (lambda: nn.LSTMCell(4, 5), (4,)),
    *[
        (kind, IMAGE)
        for kind in (
            *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh),
            *(nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus, nn.Softsign, nn.Tanhshrink, nn.LogSigmoid, nn.GLU),
            *(nn.Softshrink, nn.Hardshrink, nn.Softmax, nn.LogSoftmax, nn.RReLU, nn.Identity),
        )
    ],
]  # fmt: skip


def traced(function: Callable[..., Any], *specs: Spec) -> tuple[list[Any], Trace]:
    with recording(Trace()) as trace, lampion.no_grad():
        result = function(*[wrap(Value(s)) for s in specs])
    return flat(result), trace


def flat(x: Any) -> list[Any]:
    return [t for part in x for t in flat(part)] if isinstance(x, tuple | list) else [x]


def sizes(shape: tuple[Any, ...], batch: int) -> tuple[int, ...]:
    return tuple(n.evaluate({"batch": batch}) if isinstance(n, SymInt) else n for n in shape)


@pytest.mark.parametrize(("make", "shape"), MODULES, ids=lambda v: v.__name__ if isinstance(v, type) else None)
def test_module(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    module = make().eval()
    got, _ = traced(module, Spec((SymInt.axis("batch"), *shape), np.float32))
    for batch in (2, 5):
        expected = flat(module(lampion.randn(batch, *shape)))
        assert [sizes(t.shape, batch) for t in got] == [tuple(t.shape) for t in expected]
        assert [t.dtype for t in got] == [t.dtype for t in expected]


def test_embedding() -> None:
    got, trace = traced(nn.Embedding(5, 3, padding_idx=0), Spec((SymInt.axis("batch"), 4), np.int64))
    assert sizes(got[0].shape, 7) == (7, 4, 3)
    assert [type(n.op).__name__ for n in trace.nodes] == ["Index"]


def test_batch_norm_in_eval_is_one_multiplication_and_one_addition() -> None:
    """What the exporter folds into a convolution; all else is computed from parameters while tracing."""
    _, trace = traced(nn.BatchNorm2d(3).eval(), Spec((SymInt.axis("batch"), 3, 4, 4), np.float32))
    assert [type(n.op).__name__ for n in trace.nodes] == ["Mul", "Add"]


LOSSES: list[Callable[..., Any]] = [
    lambda x, y, c: F.cross_entropy(x, c, label_smoothing=0.1),
    lambda x, y, c: F.cross_entropy(x, c, lampion.ones(3), ignore_index=1),
    lambda x, y, c: F.cross_entropy(x, F.softmax(y, 1)),
    lambda x, y, c: F.nll_loss(x, c, reduction="sum"),
    lambda x, y, c: F.mse_loss(x, y),
    lambda x, y, c: F.huber_loss(x, y),
    lambda x, y, c: F.smooth_l1_loss(x, y),
    lambda x, y, c: F.binary_cross_entropy(F.sigmoid(x), F.sigmoid(y)),
    lambda x, y, c: F.binary_cross_entropy_with_logits(x, F.sigmoid(y)),
    lambda x, y, c: F.kl_div(x, F.softmax(y, 1), reduction="batchmean"),
    lambda x, y, c: F.cosine_embedding_loss(x, y, x[:, 0]),
    lambda x, y, c: F.triplet_margin_loss(x, y, x * 2, swap=True),
]


@pytest.mark.parametrize("loss", LOSSES)
def test_loss(loss: Callable[..., Any]) -> None:
    n = SymInt.axis("batch")
    got, _ = traced(loss, Spec((n, 3), np.float32), Spec((n, 3), np.float32), Spec((n,), np.int64))
    assert (tuple(got[0].shape), got[0].dtype) == ((), lampion.float32)


def test_training_forward_and_backward_are_traced() -> None:
    """Dropout draws in the graph, batch norm counts in it, and gradients are nodes as well."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(8, 3)
    )
    n = SymInt.axis("batch")
    with recording(Trace()) as trace:
        x, y = wrap(Value(Spec((n, 1, 4, 4), np.float32))), wrap(Value(Spec((n,), np.int64)))
        loss = F.cross_entropy(net(x), y)
        grads = lampion.autograd.grad(loss, list(net.parameters()))
    assert [tuple(g.shape) for g in grads if g is not None] == [tuple(p.shape) for p in net.parameters()]
    assert all(isinstance(node.op, Primitive) for node in trace.nodes)
    assert "Uniform" in {type(node.op).__name__ for node in trace.nodes}
