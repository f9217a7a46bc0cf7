"""Converter of views that pick places: known ones where sizes are known, else those that the run finds."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from lampion.ops import strided as s
from lampion.symbolic import SymInt
from lampion_export.convert import converts, in_plain_ops
from lampion_export.graph import Graph


@converts(s.Diagonal, s.Windows, s.Strided)
def look(g: Graph, op: s.Look, x: ir.Value) -> ir.Value:
    shape = g.shape_of(x)
    if any(isinstance(n, SymInt) for n in shape):
        return in_plain_ops(g, op.plain, x)[0]
    places = op.forward(np.arange(math.prod(shape)).reshape(shape))
    flat = g.op("Reshape", x, g.constant(np.array([-1], np.int64)), dtype=x.dtype)
    return g.op("Gather", flat, g.constant(places), axis=0)
