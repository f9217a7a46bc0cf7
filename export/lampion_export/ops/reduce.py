"""Converters of reductions, cumulative ops and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.ops import reduce as r
from lampion.ops.hashing import Hash
from lampion_export.convert import converts, refuses
from lampion_export.graph import Graph
from lampion_export.kernels import widened

REDUCTIONS = {r.Sum: "ReduceSum", r.Amax: "ReduceMax", r.Amin: "ReduceMin", r.Prod: "ReduceProd"}
ARGUMENTS = {r.ArgMax: "ArgMax", r.ArgMin: "ArgMin"}
SOFTMAX = {r.Softmax: "Softmax", r.LogSoftmax: "LogSoftmax"}

refuses("ONNX has no exclusive or over an axis", Hash)


@converts(*REDUCTIONS)
def reduction(g: Graph, op: Any, x: ir.Value) -> ir.Value:
    if not op.dims:
        return x
    assert x.dtype is not None
    name = REDUCTIONS[type(op)]
    wide = g.cast(x, widened(name, x.dtype))
    if g.opset < 18 and name != "ReduceSum":
        result = g.op(name, wide, axes=op.dims, keepdims=int(op.keepdim), dtype=wide.dtype)
    else:
        dims = g.constant(np.array(op.dims, np.int64))
        result = g.op(name, wide, dims, keepdims=int(op.keepdim), dtype=wide.dtype)
    return g.cast(result, x.dtype)


@converts(*ARGUMENTS)
def argument(g: Graph, op: Any, x: ir.Value) -> ir.Value:
    return g.typed(ARGUMENTS[type(op)], x, keeps=False, axis=op.dim, keepdims=int(op.keepdim))


@converts(r.CumSum)
def cumsum(g: Graph, op: r.CumSum, x: ir.Value) -> ir.Value:
    if not g.shape_of(x):
        return x
    return g.op("CumSum", x, g.constant(np.array(op.dim, np.int64)), reverse=int(op.reverse), dtype=x.dtype)


@converts(*SOFTMAX)
def softmax(g: Graph, op: Any, x: ir.Value) -> ir.Value:
    return g.typed(SOFTMAX[type(op)], x, axis=op.dim)
