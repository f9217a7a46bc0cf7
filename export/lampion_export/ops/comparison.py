"""Converters of comparison and logic."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.ops import comparison as c
from lampion_export.convert import check_opset, converts
from lampion_export.graph import Graph, is_bool
from lampion_export.kernels import widened

COMPARISONS = {
    c.Eq: "Equal", c.Lt: "Less", c.Le: "LessOrEqual", c.Gt: "Greater", c.Ge: "GreaterOrEqual",
    c.IsNan: "IsNaN", c.IsInf: "IsInf",
}  # fmt: skip
LOGIC = {c.And: "And", c.Or: "Or", c.Xor: "Xor", c.Not: "Not"}


@converts(*COMPARISONS)
def compare(g: Graph, op: Any, *inputs: ir.Value) -> ir.Value:
    return g.typed(COMPARISONS[type(op)], *inputs, keeps=False)


@converts(*LOGIC)
def logic(g: Graph, op: Any, *inputs: ir.Value) -> ir.Value:
    name = LOGIC[type(op)]
    if not is_bool(inputs[0]):
        check_opset(g, op, 18)
    return g.typed(name if is_bool(inputs[0]) else f"Bitwise{name}", *inputs)


@converts(c.Ne)
def ne(g: Graph, op: c.Ne, x: ir.Value, y: ir.Value) -> ir.Value:
    return g.op("Not", g.typed("Equal", x, y, keeps=False), dtype=np.bool_)


@converts(c.Where)
def where(g: Graph, op: c.Where, condition: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    assert x.dtype is not None
    wide = widened("Where", x.dtype)
    return g.cast(g.op("Where", condition, g.cast(x, wide), g.cast(y, wide), dtype=wide), x.dtype)
