"""Converters of order."""

from __future__ import annotations

import onnx_ir as ir

from lampion.ops.sorting import TopK
from lampion_export.convert import converts
from lampion_export.graph import Graph
from lampion_export.kernels import widened


@converts(TopK)
def topk(g: Graph, op: TopK, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    assert x.dtype is not None
    wide = g.cast(x, widened("TopK", x.dtype))
    values, places = g.op("TopK", wide, g.size(op.k), outputs=2, axis=op.dim, largest=int(op.largest), dtype=wide.dtype)
    return g.cast(values, x.dtype), places
