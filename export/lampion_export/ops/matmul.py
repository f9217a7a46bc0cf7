"""Converters of matrix products."""

from __future__ import annotations

import onnx_ir as ir

from lampion.ops.matmul import MatMul
from lampion_export.convert import converts
from lampion_export.graph import Graph


@converts(MatMul)
def matmul(g: Graph, op: MatMul, x: ir.Value, y: ir.Value) -> ir.Value:
    return g.typed("MatMul", x, y)
