"""Converters of special functions; most are refused."""

from __future__ import annotations

import onnx_ir as ir

from lampion.ops import special as s
from lampion_export.convert import converts, refuses
from lampion_export.graph import Graph, scalar_like

refuses(
    "ONNX has no such operator; compute it outside and pass it in",
    *(s.Lgamma, s.Digamma, s.Zeta, s.Gammainc, s.Gammaincc, s.Erfcx, s.Erfinv, s.Ndtri, s.LogNdtr),
    *(s.J0, s.J1, s.Y0, s.Y1, s.I0e, s.I1e, s.K0e, s.K1e, s.AiryAi),
)


@converts(s.Erfc)
def erfc(g: Graph, op: s.Erfc, x: ir.Value) -> ir.Value:
    """1 - erf(x): for large x less exact than the engine, by the rounding of 1."""
    return g.typed("Sub", scalar_like(g, x, 1), g.typed("Erf", x))
