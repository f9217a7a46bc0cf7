"""The gradient of an LSTM layer in Tensor ops, for a graph: what is not carried from step to step is one op for all steps.

The gates are computed again, from every step's h; rows are those of all steps, one step after the other.
"""

from __future__ import annotations

from typing import Any

from lampion.nn.functional.linear import linear
from lampion.ops.analysis import sigmoid, tanh
from lampion.ops.create import zeros
from lampion.ops.shape import cat
from lampion.tensor import Tensor

Sent = tuple[Tensor | None, ...]  # to every step's h, and to the last h and c


def lstm_gradient(
    x: Tensor, first: tuple[Tensor, ...], weights: tuple[Tensor, ...], out: Tensor, sent: Sent
) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, ...]]:
    """Of one direction: x [time, n, in], the first h and c [n, hidden] or none, and every step's h.

    Gives the gradients of x, of the first state, and of the weights of input and state with their biases.
    """
    time, n, hidden = out.shape
    h, c = first or (zeros(n, hidden, dtype=out.dtype), zeros(n, hidden, dtype=out.dtype))
    of_input, of_state, *biases = weights
    rows, before = x.reshape(time * n, -1), cat([h, out.reshape(time * n, hidden)[: (time - 1) * n]])
    bias = biases[0] + biases[1] if biases else None
    i, f, g, o = _gates(linear(rows, of_input, bias) + linear(before, of_state), hidden)
    cells = _cells(c, f, i * g, n)
    squashed = tanh(cells)
    c_before = cat([c, cells[: (time - 1) * n]])
    slopes = cat([g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), squashed * o * (1 - o)], 1)
    to_cell = o * (1 - squashed * squashed)
    gates, states = _carried(slopes, to_cell, f, of_state, n, hidden, sent)
    turned, share = gates.t(), gates.sum(0)
    return (gates @ of_input).reshape(x.shape), states, (turned @ rows, turned @ before, *[share for _ in biases])


def _gates(shares: Tensor, hidden: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sigmoids = sigmoid(shares[:, : 2 * hidden])
    through, o = tanh(shares[:, 2 * hidden : 3 * hidden]), sigmoid(shares[:, 3 * hidden :])
    return sigmoids[:, :hidden], sigmoids[:, hidden:], through, o


def _cells(c: Tensor, f: Tensor, new: Tensor, n: Any) -> Tensor:
    """Every step's c' = f c + i g."""
    cells = []
    for keeps, adds in zip(f.split(n), new.split(n), strict=True):
        c = keeps * c + adds
        cells.append(c)
    return cat(cells)


def _carried(
    slopes: Tensor, to_cell: Tensor, f: Tensor, of_state: Tensor, n: Any, hidden: Any, sent: Sent
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """From the last step to the first: the gradients of all gates, and of the first state."""
    to_out, dh, dc = sent
    outs = [None] * (len(f) // n) if to_out is None else list(to_out.reshape(len(f), hidden).split(n))
    dc = zeros(n, hidden, dtype=f.dtype) if dc is None else dc
    if outs[-1] is not None:
        dh = outs[-1] if dh is None else dh + outs[-1]
    dh = zeros(n, hidden, dtype=f.dtype) if dh is None else dh
    gates: list[Tensor] = []
    parts = [list(part.split(n)) for part in (slopes, to_cell, f)]
    for slope, through, keeps, to_before in reversed(list(zip(*parts, [None, *outs[:-1]], strict=True))):
        dc = dc + dh * through
        gates.append(cat([dc, dc, dc, dh], 1) * slope)
        dh, dc = gates[-1] @ of_state, dc * keeps
        if to_before is not None:
            dh = dh + to_before
    return cat(gates[::-1]), (dh, dc)
