"""Converters of new tensors whose shapes depend on sizes that vary."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from lampion.ops.create import Full, Range
from lampion_export.convert import converts
from lampion_export.graph import Graph


@converts(Full)
def full(g: Graph, op: Full) -> ir.Value:
    return g.op("Expand", g.constant(np.array(op.value, op.kind.numpy)), g.shape(op.shape))


@converts(Range)
def range_(g: Graph, op: Range) -> ir.Value:
    return g.op("Range", g.scalar(op.start), g.scalar(op.stop), g.scalar(op.step))
