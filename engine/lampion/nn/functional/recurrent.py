"""One step of a recurrent layer: what the input gives to the gates, the state and its weights to the next state."""

from __future__ import annotations

from lampion.nn.functional.linear import linear
from lampion.ops.analysis import sigmoid, tanh
from lampion.ops.arithmetic import relu
from lampion.ops.shape import chunk
from lampion.tensor import Tensor

State = tuple[Tensor, ...]
Weights = list[Tensor | None]  # of the state: weight, bias, and for an LSTM with projection its weight


def tanh_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = tanh(x + W h + b)"""
    return (tanh(gates + _of_state(state, weights)),)


def relu_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = relu(x + W h + b)"""
    return (relu(gates + _of_state(state, weights)),)


def gru_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = (1 - z) n + z h, n = tanh(x + r (W h + b)), gates r and z (Cho et al. 2014)"""
    (h,) = state
    (xr, xz, xn), (hr, hz, hn) = chunk(gates, 3, -1), chunk(_of_state(state, weights), 3, -1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = tanh(xn + r * hn)
    return (n + z * (h - n),)


def lstm_step(gates: Tensor, state: State, weights: Weights) -> State:
    """c' = f c + i g, h' = o tanh(c'), gates i, f, g and o (Hochreiter and Schmidhuber 1997); h' may be projected."""
    i, f, g, o = chunk(gates + _of_state(state, weights), 4, -1)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    projection = weights[2] if len(weights) > 2 else None
    return (h if projection is None else linear(h, projection)), c


def _of_state(state: State, weights: Weights) -> Tensor:
    assert weights[0] is not None
    return linear(state[0], weights[0], weights[1])
