"""Tools on gradients and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters


def params() -> list[nn.Parameter]:
    several = [nn.Parameter(lampion.zeros(2)), nn.Parameter(lampion.zeros(1)), nn.Parameter(lampion.zeros(3))]
    several[0].grad = lampion.tensor([3.0, 0.0])
    several[1].grad = lampion.tensor([-4.0])
    return several


@pytest.mark.parametrize(
    ("kind", "largest", "norm", "scale"),
    [(2.0, 1.0, 5.0, 0.2), (2.0, 10.0, 5.0, 1.0), (float("inf"), 2.0, 4.0, 0.5), (1.0, 7.0, 7.0, 1.0)],
)
def test_clip_grad_norm(kind: float, largest: float, norm: float, scale: float) -> None:
    several = params()
    assert clip_grad_norm_(several, largest, kind).item() == pytest.approx(norm)
    grads = [p.grad.tolist() for p in several if p.grad is not None]
    np.testing.assert_allclose(np.concatenate(grads), [3 * scale, 0, -4 * scale], rtol=1e-5)
    assert several[2].grad is None


def test_clip_grad_norm_of_none_and_of_nan() -> None:
    assert clip_grad_norm_([nn.Parameter(lampion.zeros(2))], 1.0).item() == 0
    several: list[Any] = params()
    several[0].grad[0] = float("nan")
    with pytest.raises(RuntimeError, match="the norm of the gradients is nan"):
        clip_grad_norm_(several, 1.0, error_if_nonfinite=True)


def test_clip_grad_value() -> None:
    several = params()
    clip_grad_value_(several, 3.5)
    assert [p.grad.tolist() for p in several if p.grad is not None] == [[3.0, 0.0], [-3.5]]


def test_vector_round_trip() -> None:
    net = nn.Linear(3, 2)
    vector = parameters_to_vector(net.parameters())
    assert vector.shape == (8,)
    other = nn.Linear(3, 2)
    vector_to_parameters(vector, other.parameters())
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
