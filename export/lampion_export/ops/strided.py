"""Converter of views that pick places: their places are known, because such views are made of known sizes only."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from lampion.ops import strided as s
from lampion_export.convert import converts
from lampion_export.graph import Graph


@converts(s.Diagonal, s.Windows, s.Strided)
def look(g: Graph, op: s.Look, x: ir.Value) -> ir.Value:
    shape = g.shape_of(x)
    places = op.forward(np.arange(math.prod(shape)).reshape(shape))
    flat = g.op("Reshape", x, g.constant(np.array([-1], np.int64)), dtype=x.dtype)
    return g.op("Gather", flat, g.constant(places), axis=0)
