"""Converter of a gradient written by hand; what is computed again has none."""

from __future__ import annotations

import onnx_ir as ir

from lampion.autograd.function import Handwritten
from lampion.utils.checkpoint import Recomputed
from lampion_export.convert import converts, refuses
from lampion_export.graph import Graph

refuses("a trace goes through checkpointed functions; this op holds what one gave before", Recomputed)


@converts(Handwritten)
def handwritten(g: Graph, op: Handwritten, *inputs: ir.Value) -> tuple[ir.Value, ...]:
    return inputs[: op.count]
