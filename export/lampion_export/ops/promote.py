"""Converters of dtypes and sizes."""

from __future__ import annotations

import onnx_ir as ir

from lampion.ops.promote import Cast, SizeValue
from lampion_export.convert import converts
from lampion_export.graph import Graph


@converts(Cast)
def cast(g: Graph, op: Cast, x: ir.Value) -> ir.Value:
    return g.cast(x, op.to.numpy)


@converts(SizeValue)
def size(g: Graph, op: SizeValue) -> ir.Value:
    return g.scalar(op.size)
