"""Converters of ops that move elements."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from lampion.ops import shape as s
from lampion_export.convert import converts
from lampion_export.graph import Graph, pairs
from lampion_export.kernels import widened


@converts(s.Reshape)
def reshape(g: Graph, op: s.Reshape, x: ir.Value) -> ir.Value:
    return g.reshape(x, op.shape)


@converts(s.Permute)
def permute(g: Graph, op: s.Permute, x: ir.Value) -> ir.Value:
    return g.op("Transpose", x, perm=op.dims)


@converts(s.Expand)
def expand(g: Graph, op: s.Expand, x: ir.Value) -> ir.Value:
    return g.op("Expand", x, g.shape(op.shape))


@converts(s.Flip)
def flip(g: Graph, op: s.Flip, x: ir.Value) -> ir.Value:
    back, end = [np.full(len(op.dims), n, np.int64) for n in (-1, np.iinfo(np.int64).min)]
    return g.op(
        "Slice", x, g.constant(back), g.constant(end), g.constant(np.array(op.dims, np.int64)), g.constant(back)
    )


@converts(s.Concat)
def concat(g: Graph, op: s.Concat, *inputs: ir.Value) -> ir.Value:
    return g.op("Concat", *inputs, axis=op.dim)


@converts(s.Pad)
def pad(g: Graph, op: s.Pad, x: ir.Value) -> ir.Value:
    assert x.dtype is not None
    wide = widened("Pad", x.dtype)
    value = g.constant(np.array(op.value).astype(wide.numpy()))
    around = g.shape(pairs(list(zip(op.before, op.after, strict=True))))
    return g.cast(g.op("Pad", g.cast(x, wide), around, value, dtype=wide), x.dtype)
