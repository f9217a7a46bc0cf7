"""Recurrent layers beside a loop in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def elman(x: Any, h: Any, w: Any) -> Any:
    return np.tanh(x @ w[0].T + w[2] + h[0] @ w[1].T + w[3])[None]


def gru(x: Any, h: Any, w: Any) -> Any:
    a, b = np.split(x @ w[0].T + w[2], 3, -1), np.split(h[0] @ w[1].T + w[3], 3, -1)
    r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
    return ((1 - z) * np.tanh(a[2] + r * b[2]) + z * h[0])[None]


def lstm(x: Any, h: Any, w: Any) -> Any:
    i, f, g, o = np.split(x @ w[0].T + w[2] + h[0] @ w[1].T + w[3], 4, -1)
    c = sigmoid(f) * h[1] + sigmoid(i) * np.tanh(g)
    return np.stack([sigmoid(o) * np.tanh(c), c])


@pytest.mark.parametrize(("kind", "step", "states"), [(nn.RNN, elman, 1), (nn.GRU, gru, 1), (nn.LSTM, lstm, 2)])
def test_layer_is_a_loop_of_steps(kind: Any, step: Any, states: int) -> None:
    lampion.manual_seed(0)
    layer = kind(3, 4, bidirectional=True, dtype=lampion.float64)
    x = np.random.default_rng(0).standard_normal((6, 2, 3))
    output, last = layer(lampion.tensor(x))
    last = np.stack([t.detach().numpy() for t in (last if states == 2 else (last,))])
    for way, suffix in enumerate(("", "_reverse")):
        names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
        weights = [getattr(layer, n + suffix).detach().numpy() for n in names]
        h = np.zeros((states, 2, 4))
        for t in range(6)[:: -1 if way else 1]:
            h = step(x[t], h, weights)
            np.testing.assert_allclose(output[t, :, 4 * way : 4 * way + 4].detach().numpy(), h[0], rtol=1e-12)
        np.testing.assert_allclose(last[:, way], h, rtol=1e-12)


@pytest.mark.parametrize(("layer", "cell"), [(nn.RNN, nn.RNNCell), (nn.GRU, nn.GRUCell), (nn.LSTM, nn.LSTMCell)])
def test_cell_is_one_step_of_the_layer(layer: Any, cell: Any) -> None:
    many, one = layer(3, 4), cell(3, 4)
    one.load_state_dict({k.removesuffix("_l0"): t for k, t in many.state_dict().items()})
    x = lampion.randn(5, 2, 3)
    state = None
    for t in range(5):
        state = one(x[t], state)
    _, last = many(x)
    h, expected = (state[0], last[0]) if isinstance(state, tuple) else (state, last)
    np.testing.assert_allclose(h.detach().numpy(), expected[0].detach().numpy(), rtol=1e-5)


def test_dropout_between_layers_only_while_training() -> None:
    lampion.manual_seed(0)
    layer, x = nn.GRU(3, 4, 2, dropout=0.9), lampion.randn(5, 2, 3)
    assert not np.array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())


def test_weight_names() -> None:
    assert list(nn.LSTM(2, 3, proj_size=1, bidirectional=True).state_dict()) == [
        *("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"),
        *(
            "weight_ih_l0_reverse",
            "weight_hh_l0_reverse",
            "bias_ih_l0_reverse",
            "bias_hh_l0_reverse",
            "weight_hr_l0_reverse",
        ),
    ]
