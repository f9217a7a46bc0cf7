"""Functions beside formulas written in numpy, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.nn import functional as F

R = np.random.default_rng(3)
X = R.standard_normal((3, 4)) * 2
Y = R.standard_normal((3, 4))
P, Q = R.uniform(0.1, 0.9, (3, 4)), R.uniform(0.1, 0.9, (3, 4))
C = np.array([1, 3, 0])


def soft(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


erf = np.vectorize(math.erf)

FORMULAS: list[tuple[str, Callable[..., Any], Any, tuple[Any, ...]]] = [
    ("relu6", F.relu6, np.clip(X, 0, 6), (X,)),
    ("leaky_relu", lambda x: F.leaky_relu(x, 0.2), np.where(X > 0, X, 0.2 * X), (X,)),
    ("elu", lambda x: F.elu(x, 0.5), np.where(X > 0, X, 0.5 * np.expm1(X)), (X,)),
    ("celu", lambda x: F.celu(x, 0.5), np.where(X > 0, X, 0.5 * np.expm1(X / 0.5)), (X,)),
    ("gelu", F.gelu, X * (1 + erf(X / math.sqrt(2))) / 2, (X,)),
    ("silu", F.silu, X * sigmoid(X), (X,)),
    ("mish", F.mish, X * np.tanh(np.log1p(np.exp(X))), (X,)),
    ("softplus", lambda x: F.softplus(x, 2.0), np.log1p(np.exp(2 * X)) / 2, (X,)),
    ("logsigmoid", F.logsigmoid, np.log(sigmoid(X)), (X,)),
    ("hardswish", F.hardswish, X * np.clip(X + 3, 0, 6) / 6, (X,)),
    ("softmax", F.softmax, soft(X), (X,)),
    ("softmin", lambda x: F.softmin(x, 1), soft(-X), (X,)),
    ("glu", F.glu, X[:, :2] * sigmoid(X[:, 2:]), (X,)),
    ("prelu", lambda x: F.prelu(x, lampion.tensor([0.1, 0.2, 0.3, 0.4], dtype=lampion.float64)),
     np.where(X > 0, X, X * np.array([0.1, 0.2, 0.3, 0.4])), (X,)),
    ("normalize", F.normalize, X / np.linalg.norm(X, axis=1, keepdims=True), (X,)),
    ("linear", F.linear, X @ Y.T, (X, Y)),
    ("cosine_similarity", F.cosine_similarity,
     (X * Y).sum(1) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1), (X, Y)),
    ("layer_norm", lambda x: F.layer_norm(x, [4]),
     (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + 1e-5), (X,)),
    ("rms_norm", lambda x: F.rms_norm(x, [4], eps=0.1), X / np.sqrt((X**2).mean(1, keepdims=True) + 0.1), (X,)),
    ("cross_entropy", lambda x: F.cross_entropy(x, lampion.tensor(C)), -np.log(soft(X)[np.arange(3), C]).mean(), (X,)),
    ("cross_entropy with probabilities", F.cross_entropy, -(np.log(soft(X)) * P).sum(1).mean(), (X, P)),
    ("cross_entropy smoothed", lambda x: F.cross_entropy(x, lampion.tensor(C), label_smoothing=0.2),
     -(np.log(soft(X)) * (0.8 * np.eye(4)[C] + 0.05)).sum(1).mean(), (X,)),
    ("mse_loss", F.mse_loss, ((X - Y) ** 2).mean(), (X, Y)),
    ("l1_loss", F.l1_loss, np.abs(X - Y).mean(), (X, Y)),
    ("smooth_l1_loss", F.smooth_l1_loss,
     np.where(np.abs(X - Y) < 1, (X - Y) ** 2 / 2, np.abs(X - Y) - 0.5).mean(), (X, Y)),
    ("binary_cross_entropy", F.binary_cross_entropy, -(Q * np.log(P) + (1 - Q) * np.log(1 - P)).mean(), (P, Q)),
    ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits,
     -(P * np.log(sigmoid(X)) + (1 - P) * np.log(1 - sigmoid(X))).mean(), (X, P)),
    ("kl_div", lambda x, y: F.kl_div(x, y, "batchmean"), (Q * (np.log(Q) - X)).sum() / 3, (X, Q)),
    ("pad reflect", lambda x: F.pad(x, (1, 2), "reflect"), np.pad(X, [(0, 0), (1, 2)], "reflect"), (X,)),
    ("pad replicate", lambda x: F.pad(x, (1, 2), "replicate"), np.pad(X, [(0, 0), (1, 2)], "edge"), (X,)),
    ("pad circular", lambda x: F.pad(x, (1, 2), "circular"), np.pad(X, [(0, 0), (1, 2)], "wrap"), (X,)),
    ("pad constant", lambda x: F.pad(x, (1, 2), value=3), np.pad(X, [(0, 0), (1, 2)], constant_values=3), (X,)),
    ("avg_pool1d", lambda x: F.avg_pool1d(x.unsqueeze(0), 2), X.reshape(1, 3, 2, 2).mean(3), (X,)),
    ("max_pool1d", lambda x: F.max_pool1d(x.unsqueeze(0), 2), X.reshape(1, 3, 2, 2).max(3), (X,)),
    ("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x.unsqueeze(0), 3),
     np.stack([X[None, :, a:b].max(2) for a, b in ((0, 2), (1, 3), (2, 4))], 2), (X,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function", "expected", "inputs"), FORMULAS, ids=[f[0] for f in FORMULAS])
def test_formula(name: str, function: Callable[..., Any], expected: Any, inputs: tuple[Any, ...]) -> None:
    got = function(*[lampion.tensor(x) for x in inputs])
    assert got.dtype is lampion.float64
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_no_overflow_at_the_ends() -> None:
    x = lampion.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    for function in (F.logsigmoid, F.softplus, F.mish, F.elu, F.selu, F.celu, F.gelu, F.silu, F.sigmoid):
        out = function(x)
        assert np.isfinite(out.detach().numpy()).all(), function
        [g] = lampion.autograd.grad(out.sum(), x)
        assert g is not None
        assert np.isfinite(g.numpy()).all(), function


def test_ignored_targets_have_no_gradient() -> None:
    x = lampion.tensor(X, requires_grad=True)
    F.cross_entropy(x, lampion.tensor([1, -100, 0])).backward()
    assert x.grad is not None
    assert not x.grad.numpy()[1].any()
    assert x.grad.numpy()[0].any()


def test_gumbel_softmax_samples_the_distribution() -> None:
    lampion.manual_seed(0)
    p = np.array([0.6, 0.3, 0.1])
    hard = F.gumbel_softmax(lampion.tensor(np.log(p)).expand(20000, 3), hard=True)
    assert set(np.unique(hard.numpy().round(6)).tolist()) == {0.0, 1.0}
    np.testing.assert_allclose(hard.numpy().mean(0), p, atol=0.02)


@pytest.mark.parametrize(
    ("function", "shape", "whole"),
    [(F.dropout, (400, 100), None), (F.dropout2d, (400, 100, 3, 2), (2, 3)), (F.dropout1d, (400, 100, 5), (2,))],
)
def test_dropout(function: Any, shape: tuple[int, ...], whole: Any) -> None:
    lampion.manual_seed(0)
    out = function(lampion.ones(*shape), 0.25).numpy()
    assert set(np.unique(out).tolist()) == {0.0, np.float32(1 / 0.75)}
    assert out.mean() == pytest.approx(1, abs=0.01)
    if whole:
        assert (out.min(whole) == out.max(whole)).all()
    lampion.manual_seed(0)
    np.testing.assert_array_equal(function(lampion.ones(*shape), 0.25).numpy(), out)
    x = lampion.ones(*shape)
    assert function(x, 0.25, training=False) is x
    assert not function(x, 1.0).numpy().any()


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    lampion.manual_seed(0)
    out = F.alpha_dropout(lampion.randn(200000), 0.3, training=True).numpy()
    assert out.mean() == pytest.approx(0, abs=0.02)
    assert out.std() == pytest.approx(1, abs=0.02)


def test_rrelu_draws_while_training() -> None:
    lampion.manual_seed(0)
    slopes = -F.rrelu(-lampion.ones(10000), 0.1, 0.3, training=True).numpy()
    assert 0.1 <= slopes.min() < 0.11 < 0.29 < slopes.max() < 0.3
    assert F.rrelu(-lampion.ones(1), 0.1, 0.3).item() == pytest.approx(-0.2)


def test_running_statistics() -> None:
    mean, var = lampion.zeros(4), lampion.ones(4)
    F.batch_norm(lampion.tensor(X, dtype=lampion.float32), mean, var, training=True, momentum=0.25)
    np.testing.assert_allclose(mean.numpy(), 0.25 * X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * X.var(0, ddof=1), rtol=1e-5)
