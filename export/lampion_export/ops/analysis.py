"""Converters of the functions of analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.ops import analysis as a
from lampion_export.convert import converts
from lampion_export.graph import Graph, scalar_like

SAME = {
    a.Exp: "Exp", a.Log: "Log", a.Sqrt: "Sqrt", a.Sin: "Sin", a.Cos: "Cos", a.Tan: "Tan", a.Asin: "Asin", a.Acos: "Acos",
    a.Atan: "Atan", a.Sinh: "Sinh", a.Cosh: "Cosh", a.Tanh: "Tanh", a.Sigmoid: "Sigmoid", a.Erf: "Erf",
}  # fmt: skip


@converts(*SAME)
def same(g: Graph, op: Any, x: ir.Value) -> ir.Value:
    return g.typed(SAME[type(op)], x)


@converts(a.Log1p)
def log1p(g: Graph, op: a.Log1p, x: ir.Value) -> ir.Value:
    """log(u) x / (u - 1) with u = 1 + x, rounded: exact near 0 (Kahan; W. Kahan's trick as in HP-15C Advanced Functions)."""
    one = scalar_like(g, x, 1)
    u = g.typed("Add", x, one)
    rest = g.typed("Sub", u, one)
    exact = g.typed("Div", g.typed("Mul", g.typed("Log", u), x), rest)
    tiny = g.op("Equal", rest, scalar_like(g, x, 0), dtype=np.bool_)
    return g.op("Where", tiny, x, g.op("Where", g.op("IsInf", u), u, exact, dtype=x.dtype), dtype=x.dtype)


@converts(a.Expm1)
def expm1(g: Graph, op: a.Expm1, x: ir.Value) -> ir.Value:
    """2 tanh(x / 2) / (1 - tanh(x / 2)) near 0, exp(x) - 1 elsewhere."""
    one, half = scalar_like(g, x, 1), scalar_like(g, x, 0.5)
    t = g.typed("Tanh", g.typed("Mul", x, half))
    near = g.typed("Div", g.typed("Add", t, t), g.typed("Sub", one, t))
    small = g.op("Less", g.typed("Abs", x), one, dtype=np.bool_)
    return g.op("Where", small, near, g.typed("Sub", g.typed("Exp", x), one), dtype=x.dtype)


@converts(a.Atan2)
def atan2(g: Graph, op: a.Atan2, y: ir.Value, x: ir.Value) -> ir.Value:
    """atan(y / x), turned by pi to y's side where x < 0; pi / 2 to y's side where x = 0."""
    zero, pi = scalar_like(g, x, 0), scalar_like(g, x, np.pi)
    side = g.op("Where", g.op("Less", y, zero), g.typed("Neg", pi), pi, dtype=x.dtype)
    plain = g.typed("Atan", g.typed("Div", y, x))
    turned = g.op("Where", g.op("Less", x, zero), g.typed("Add", plain, side), plain, dtype=x.dtype)
    upright = g.typed("Mul", g.typed("Sign", y), scalar_like(g, x, np.pi / 2))
    return g.op("Where", g.op("Equal", x, zero), upright, turned, dtype=x.dtype)
