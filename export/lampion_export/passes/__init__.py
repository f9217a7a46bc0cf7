"""Rewritings of the graph, one a file, in the order they run."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from lampion_export.passes.affine_into_conv import AffineIntoConv
from lampion_export.passes.drop_identity import DropIdentity
from lampion_export.passes.pad_into_conv import PadIntoConv
from lampion_export.passes.shape_known import ShapeKnown
from lampion_export.passes.transposed_product import TransposedProduct
from lampion_export.passes.unused_rows import UnusedRows

PASSES: tuple[ir.passes.InPlacePass, ...] = (
    ShapeKnown(),
    common.RemoveUnusedNodesPass(),
    UnusedRows(),
    common.RemoveUnusedNodesPass(),
    common.CommonSubexpressionEliminationPass(),
    AffineIntoConv(),
    PadIntoConv(),
    DropIdentity(),
    TransposedProduct(),
    common.RemoveUnusedNodesPass(),
)


def optimize(model: ir.Model) -> None:
    """Runs every pass on the model, in place."""
    for each in PASSES:
        each(model)
