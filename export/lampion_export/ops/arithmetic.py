"""Converters of arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.ops import arithmetic as a
from lampion_export.convert import converts
from lampion_export.graph import Graph, is_bool, is_float

SAME = {
    a.Sub: "Sub", a.Div: "Div", a.Pow: "Pow", a.Neg: "Neg", a.Abs: "Abs", a.Sign: "Sign", a.Relu: "Relu",
    a.Maximum: "Max", a.Minimum: "Min",
}  # fmt: skip
ROUNDING = {a.Floor: "Floor", a.Ceil: "Ceil", a.Round: "Round"}


@converts(*SAME)
def same(g: Graph, op: Any, *inputs: ir.Value) -> ir.Value:
    return g.typed(SAME[type(op)], *inputs)


@converts(a.Add)
def add(g: Graph, op: a.Add, x: ir.Value, y: ir.Value) -> ir.Value:
    return g.op("Or", x, y) if is_bool(x) else g.typed("Add", x, y)


@converts(a.Mul)
def mul(g: Graph, op: a.Mul, x: ir.Value, y: ir.Value) -> ir.Value:
    return g.op("And", x, y) if is_bool(x) else g.typed("Mul", x, y)


@converts(*ROUNDING)
def rounding(g: Graph, op: Any, x: ir.Value) -> ir.Value:
    return g.typed(ROUNDING[type(op)], x) if is_float(x) else x


@converts(a.Clamp)
def clamp(g: Graph, op: a.Clamp, x: ir.Value) -> ir.Value:
    assert x.dtype is not None
    bounds = [None if b is None else g.constant(np.array(b, x.dtype.numpy())) for b in (op.low, op.high)]
    while bounds and bounds[-1] is None:
        bounds.pop()
    return g.op("Clip", x, *bounds, dtype=x.dtype)


@converts(a.Trunc)
def trunc(g: Graph, op: a.Trunc, x: ir.Value) -> ir.Value:
    return g.typed("Mul", g.typed("Sign", x), g.typed("Floor", g.typed("Abs", x))) if is_float(x) else x


@converts(a.FloorDivide)
def floor_divide(g: Graph, op: a.FloorDivide, x: ir.Value, y: ir.Value) -> ir.Value:
    if is_float(x):
        return g.typed("Floor", g.typed("Div", x, y))
    return g.typed("Div", g.typed("Sub", x, g.typed("Mod", x, y)), y)


@converts(a.Remainder)
def remainder(g: Graph, op: a.Remainder, x: ir.Value, y: ir.Value) -> ir.Value:
    if not is_float(x):
        return g.typed("Mod", x, y)
    return g.typed("Sub", x, g.typed("Mul", y, g.typed("Floor", g.typed("Div", x, y))))


@converts(a.Fmod)
def fmod(g: Graph, op: a.Fmod, x: ir.Value, y: ir.Value) -> ir.Value:
    return g.typed("Mod", x, y, fmod=1)
