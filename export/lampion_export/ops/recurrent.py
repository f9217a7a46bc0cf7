"""Converters of recurrent layers: ONNX's own RNN, GRU and LSTM, in both directions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.nn.functional import recurrent as r
from lampion_export.convert import converts, in_plain_ops
from lampion_export.graph import Graph, known

# the operator, its gates in the engine's order of them, and what else it must be told
OPERATORS: dict[type[r.Layer], tuple[str, tuple[int, ...], dict[str, Any]]] = {
    r.TanhLayer: ("RNN", (0,), {"activations": ("Tanh",)}),
    r.ReluLayer: ("RNN", (0,), {"activations": ("Relu",)}),
    r.GruLayer: ("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    r.LstmLayer: ("LSTM", (0, 3, 1, 2), {}),
}


@converts(*OPERATORS)
def layer(g: Graph, op: r.Layer, *inputs: ir.Value) -> tuple[ir.Value, ...]:
    x, lengths, state, weights = op.split(inputs)
    if x.dtype != ir.DataType.FLOAT or op.projected:  # onnxruntime computes in float32 only; ONNX has no projection
        return in_plain_ops(g, op.plain, *inputs)
    name, order, settings = OPERATORS[type(op)]
    if "activations" in settings:
        settings = settings | {"activations": settings["activations"] * op.directions}
    matrices = [_directions(g, [_by_gate(g, way[i], order, op.sizes[0]) for way in weights]) for i in (0, 1)]
    both = [_joined(g, [_by_gate(g, bias, order, op.sizes[0]) for bias in way[2:4]], 0) for way in weights if op.bias]
    bias = _directions(g, both) if op.bias else None
    steps = None if lengths is None else g.cast(lengths, np.int32)
    first = state or (None,) * len(op.sizes)
    out, *last = g.op(
        name, x, *matrices, bias, steps, *first, outputs=1 + len(op.sizes), hidden_size=op.sizes[0],
        direction="bidirectional" if op.directions == 2 else "forward", **settings, dtype=x.dtype,
    )  # fmt: skip
    if op.directions == 1:
        return g.op("Squeeze", out, g.constant(np.array([1], np.int64)), dtype=x.dtype), *last
    out = g.op("Transpose", out, perm=[0, 2, 1, 3], dtype=x.dtype)
    return g.op("Reshape", out, g.constant(np.array([0, 0, -1], np.int64)), dtype=x.dtype), *last


def _by_gate(g: Graph, w: ir.Value, order: tuple[int, ...], hidden: int) -> ir.Value:
    """The rows of each gate in ONNX's order."""
    rows = np.concatenate([np.arange(hidden) + gate * hidden for gate in order])
    if order == tuple(range(len(order))):
        return w
    numbers = known(w)
    if numbers is None:
        return g.op("Gather", w, g.constant(rows), axis=0, dtype=w.dtype)
    return g.constant(numbers[rows], f"{w.name}.gates")


def _directions(g: Graph, ways: list[ir.Value]) -> ir.Value:
    """[directions, ...] of one or two weights."""
    first = g.constant(np.array([0], np.int64))
    lifted = []
    for way in ways:
        numbers = known(way)
        lifted.append(
            g.op("Unsqueeze", way, first, dtype=way.dtype)
            if numbers is None
            else g.constant(numbers[None], f"{way.name}.lifted")
        )
    return _joined(g, lifted, 0)


def _joined(g: Graph, parts: list[ir.Value], axis: int) -> ir.Value:
    if len(parts) == 1:
        return parts[0]
    numbers = [known(part) for part in parts]
    if any(n is None for n in numbers):
        return g.op("Concat", *parts, axis=axis, dtype=parts[0].dtype)
    return g.constant(np.concatenate([n for n in numbers if n is not None], axis), f"{parts[0].name}.joined")
