"""Recurrent layers over whole sequences, one direction at a time, and their gradients.

x is [time, n, in], the state [n, hidden]; weights are those of input and state [gates * hidden, ...] and their biases or None.
What the input gives to the gates is one matrix product for all steps, and so is every gradient that isn't carried from step
to step. A sigmoid is computed as (tanh(x / 2) + 1) / 2, so that all gates are one call: numpy's tanh is vectorized, and nothing
overflows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Weights = tuple[Array, Array, Array | None, Array | None]
State = tuple[Array, ...]


class Kernel(NamedTuple):
    """`forward(x, state, weights)` gives every step's h, the last state, and what the gradient needs; `gradient(x, state,
    weights, h, saved, sent of h, sent of the last state)` gives the gradients of x's share of the gates [time, n, gates], of
    the state's (the same, or another array), and of the first state.
    """

    forward: Callable[[Array, State, Weights], tuple[Array, State, State]]
    gradient: Callable[[State, Weights, Array, State, Array, State], tuple[Array, Array, State]]


def weight_gradients(x: Array, h: Array, first: Array, of_input: Array, of_state: Array, bias: bool) -> list[Array]:
    """Of the weights, from what was sent to the shares of the gates."""
    before = np.concatenate([first[None], h[:-1]]).reshape(-1, h.shape[-1])
    rows, state_rows = (g.reshape(-1, g.shape[-1]) for g in (of_input, of_state))
    biases: list[Array] = []
    if bias:
        of_bias = rows.sum(0)
        biases = [of_bias, of_bias.copy() if of_state is of_input else state_rows.sum(0)]
    return [rows.T @ x.reshape(-1, x.shape[-1]), state_rows.T @ before, *biases]


def _shares(x: Array, weight: Array, bias: Array | None) -> Array:
    """What the input gives to the gates of all steps."""
    shares = (x.reshape(-1, x.shape[-1]) @ weight.T).reshape(*x.shape[:2], -1)
    if bias is not None:
        shares += bias
    return shares


def _both(weights: Weights) -> Array | None:
    """Both biases together, where they only ever appear as a sum."""
    return None if weights[2] is None or weights[3] is None else weights[2] + weights[3]


# ---- Elman's --------------------------------------------------------------------------------------------------------


def _elman(activate: Callable[..., Any], x: Array, state: State, weights: Weights) -> tuple[Array, State, State]:
    (h,), out = state, _shares(x, weights[0], _both(weights))
    transposed, product = np.ascontiguousarray(weights[1].T), np.empty_like(out[0])
    for row in out:
        row += np.matmul(h, transposed, out=product)
        h = activate(row, out=row)
    return out, (h,), ()


def _elman_gradient(
    slope: Callable[[Array], Array], state: State, weights: Weights, out: Array, saved: State, sent: Array, last: State
) -> tuple[Array, Array, State]:
    gates, (carried,) = slope(out), last
    for row, g in zip(gates[::-1], sent[::-1], strict=True):
        row *= carried + g
        carried = row @ weights[1]
    return gates, gates, (carried,)


def tanh_forward(x: Array, state: State, weights: Weights) -> tuple[Array, State, State]:
    """h' = tanh(x + W h + b)"""
    return _elman(np.tanh, x, state, weights)


def tanh_gradient(*known: Any) -> tuple[Array, Array, State]:
    """Of `tanh_forward`."""
    return _elman_gradient(lambda h: 1 - h * h, *known)


def relu_forward(x: Array, state: State, weights: Weights) -> tuple[Array, State, State]:
    """h' = max(x + W h + b, 0)"""
    return _elman(lambda row, out: np.maximum(row, 0, out=out), x, state, weights)


def relu_gradient(*known: Any) -> tuple[Array, Array, State]:
    """Of `relu_forward`."""
    return _elman_gradient(lambda h: (h > 0).astype(h.dtype), *known)


# ---- LSTM -----------------------------------------------------------------------------------------------------------


def lstm_forward(x: Array, state: State, weights: Weights) -> tuple[Array, State, State]:
    """c' = f c + i g, h' = o tanh(c'); saved are the gates, and c and tanh(c) of every step."""
    h, c = state
    hidden = h.shape[-1]
    scale = np.full(4 * hidden, 0.5, x.dtype)
    scale[2 * hidden : 3 * hidden] = 1
    shift, bias = 1 - scale, _both(weights)
    gates = _shares(x, weights[0] * scale[:, None], None if bias is None else bias * scale)
    transposed, product = np.ascontiguousarray((weights[1] * scale[:, None]).T), np.empty_like(gates[0])
    out, cells, squashed = (np.empty((*x.shape[:2], hidden), x.dtype) for _ in range(3))
    for row, i, f, g, o, y, cell, flat in zip(gates, *_split(gates, hidden), out, cells, squashed, strict=True):
        row += np.matmul(h, transposed, out=product)
        np.tanh(row, out=row)
        row *= scale
        row += shift
        np.multiply(f, c, out=cell)
        cell += np.multiply(i, g, out=y)
        h, c = np.multiply(o, np.tanh(cell, out=flat), out=y), cell
    return out, (h, c), (gates, cells, squashed)


def lstm_gradient(
    state: State, weights: Weights, out: Array, saved: State, sent: Array, last: State
) -> tuple[Array, Array, State]:
    """Of `lstm_forward`."""
    (gates, cells, squashed), (dh, dc) = saved, last
    hidden = out.shape[-1]
    slopes = gates * gates  # those of tanh are 1 - y^2, those of the sigmoids y - y^2
    np.subtract(gates, slopes, out=slopes)
    through = gates[..., 2 * hidden : 3 * hidden]
    np.subtract(1, through * through, out=slopes[..., 2 * hidden : 3 * hidden])
    to_cell = gates[..., 3 * hidden :] * (1 - squashed * squashed)
    before = [state[1], *cells[:-1]]
    steps = zip(
        slopes, *_split(gates, hidden)[:3], *_split(slopes, hidden), to_cell, squashed, before, sent, strict=True
    )
    for row, i, f, g, di, df, dg, do, opened, flat, c, y in reversed(list(steps)):
        dh = dh + y
        do *= dh * flat
        opened *= dh
        opened += dc
        di *= opened * g
        df *= opened * c
        dg *= opened * i
        dc = opened * f
        dh = row @ weights[1]
    return slopes, slopes, (dh, dc)


def _split(rows: Array, hidden: int) -> list[Array]:
    """The four gates."""
    return [rows[..., k * hidden : (k + 1) * hidden] for k in range(4)]


# ---- GRU ------------------------------------------------------------------------------------------------------------


def gru_forward(x: Array, state: State, weights: Weights) -> tuple[Array, State, State]:
    """h' = n + z (h - n), n = tanh(x + r (W h + b)); saved are the gates r, z and n, and W h + b of every step."""
    (h,) = state
    hidden = h.shape[-1]
    gates = _shares(x, weights[0], weights[2])
    transposed, product = np.ascontiguousarray(weights[1].T), np.empty_like(gates[0])
    out, inner = (np.empty((*x.shape[:2], hidden), x.dtype) for _ in range(2))
    for row, y, kept in zip(gates, out, inner, strict=True):
        np.matmul(h, transposed, out=product)
        if weights[3] is not None:
            product += weights[3]
        sigmoids, n = row[:, : 2 * hidden], row[:, 2 * hidden :]
        sigmoids += product[:, : 2 * hidden]
        sigmoids *= 0.5
        np.tanh(sigmoids, out=sigmoids)
        sigmoids += 1
        sigmoids *= 0.5
        kept[...] = product[:, 2 * hidden :]
        n += np.multiply(row[:, :hidden], kept, out=y)
        np.tanh(n, out=n)
        np.subtract(h, n, out=y)
        y *= row[:, hidden : 2 * hidden]
        y += n
        h = y
    return out, (h,), (gates, inner)


def gru_gradient(
    state: State, weights: Weights, out: Array, saved: State, sent: Array, last: State
) -> tuple[Array, Array, State]:
    """Of `gru_forward`."""
    (gates, inner), (dh,) = saved, last
    hidden = out.shape[-1]
    of_input, of_state = np.empty_like(gates), np.empty_like(gates)
    for t in range(len(out) - 1, -1, -1):
        r, z, n = (gates[t][:, k * hidden : (k + 1) * hidden] for k in range(3))
        row = of_input[t]
        dr, dz, dn = (row[:, k * hidden : (k + 1) * hidden] for k in range(3))
        dh = dh + sent[t]
        before = out[t - 1] if t else state[0]
        np.multiply(dh * (1 - z), 1 - n * n, out=dn)
        np.multiply(dh * (before - n), z - z * z, out=dz)
        np.multiply(dn * inner[t], r - r * r, out=dr)
        of_state[t] = row
        of_state[t][:, 2 * hidden :] *= r
        dh = dh * z + of_state[t] @ weights[1]
    return of_input, of_state, (dh,)


TANH, RELU = Kernel(tanh_forward, tanh_gradient), Kernel(relu_forward, relu_gradient)
LSTM, GRU = Kernel(lstm_forward, lstm_gradient), Kernel(gru_forward, gru_gradient)
