"""Converters of scattering that reduces."""

from __future__ import annotations

import onnx_ir as ir

from lampion.ops import scattering as s
from lampion_export.convert import check_opset, converts
from lampion_export.graph import Graph
from lampion_export.ops.index import cropped

REDUCTIONS = {s.ScatterMax: "max", s.ScatterMin: "min", s.ScatterProd: "mul"}


@converts(*REDUCTIONS)
def scatter_reduce(
    g: Graph, op: s.ScatterMax | s.ScatterMin | s.ScatterProd, x: ir.Value, places: ir.Value, source: ir.Value
) -> ir.Value:
    if REDUCTIONS[type(op)] != "mul":
        check_opset(g, op, 18)
    source = cropped(g, source, g.shape_of(places))
    return g.op("ScatterElements", x, places, source, axis=op.dim, reduction=REDUCTIONS[type(op)])
