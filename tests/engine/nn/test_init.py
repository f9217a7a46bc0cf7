"""Starting values: ranges, deviations, seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion.nn import init

# name, call on a [300, 200] tensor, largest size, deviation
DRAWS: list[tuple[str, Callable[[Any], Any], float, float]] = [
    ("uniform", lambda t: init.uniform_(t, -2, 2), 2, 4 / math.sqrt(12)),
    ("normal", lambda t: init.normal_(t, 0, 3), math.inf, 3),
    ("truncated", lambda t: init.trunc_normal_(t, 0, 2, -1, 1), 1, 0.566),
    ("xavier uniform", lambda t: init.xavier_uniform_(t, 2), 2 * math.sqrt(6 / 500), 2 * math.sqrt(2 / 500)),
    ("xavier normal", init.xavier_normal_, math.inf, math.sqrt(2 / 500)),
    ("kaiming uniform", init.kaiming_uniform_, math.sqrt(6 / 200), math.sqrt(2 / 200)),
    (
        "kaiming normal",
        lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
        math.inf,
        math.sqrt(2 / 300),
    ),
]


@pytest.mark.parametrize(("name", "draw", "bound", "deviation"), DRAWS, ids=[d[0] for d in DRAWS])
def test_draw(name: str, draw: Callable[[Any], Any], bound: float, deviation: float) -> None:
    lampion.manual_seed(1)
    t = lampion.empty(300, 200)
    assert draw(t) is t
    array = t.numpy().copy()
    assert np.abs(array).max() <= bound
    assert array.std() == pytest.approx(deviation, rel=0.02)
    assert array.mean() == pytest.approx(0, abs=0.03 * deviation)
    lampion.manual_seed(1)
    np.testing.assert_array_equal(draw(lampion.empty(300, 200)).numpy(), array)
    own = lampion.Generator().manual_seed(5)
    assert not np.array_equal(init.normal_(t, generator=own).numpy(), array)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    m = init.orthogonal_(lampion.empty(*shape, dtype=lampion.float64), gain=2).numpy().reshape(shape[0], -1)
    small = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_fixed_values_and_sparse() -> None:
    assert init.zeros_(lampion.ones(2)).tolist() == [0, 0]
    assert init.ones_(lampion.zeros(2)).tolist() == [1, 1]
    assert init.constant_(nn.Parameter(lampion.zeros(2)), 3).tolist() == [3, 3]
    assert init.eye_(lampion.zeros(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    sparse = init.sparse_(lampion.zeros(10, 7), 0.3).numpy()
    assert ((sparse == 0).sum(0) == 3).all()


@pytest.mark.parametrize(
    ("name", "gain"), [("linear", 1), ("tanh", 5 / 3), ("relu", math.sqrt(2)), ("leaky_relu", math.sqrt(2 / 1.0001))]
)
def test_gain(name: str, gain: float) -> None:
    assert init.calculate_gain(name) == pytest.approx(gain)


@pytest.mark.parametrize(
    ("layer", "bound"),
    [
        (lambda: nn.Linear(100, 80), 0.1),
        (lambda: nn.Conv2d(4, 8, 5), 0.1),
        (lambda: nn.ConvTranspose2d(8, 4, 5), 0.1),
        (lambda: nn.LSTM(7, 25), 0.2),
        (lambda: nn.GRUCell(7, 25), 0.2),
    ],
)
def test_layers_start_within_pytorchs_bound(layer: Callable[[], nn.Module], bound: float) -> None:
    lampion.manual_seed(0)
    for p in layer().parameters():
        largest = np.abs(p.detach().numpy()).max()
        assert 0.5 * bound < largest <= bound
