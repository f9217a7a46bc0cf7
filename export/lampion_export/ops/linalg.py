"""Converters of linear algebra; of decompositions ONNX has none."""

from __future__ import annotations

import onnx_ir as ir

from lampion.ops import decomposition as d
from lampion.ops.ldl import Ldl, LdlSolve
from lampion.ops.linalg import Det, MatrixExp, Pinv, Slogdet
from lampion_export.convert import converts, refuses
from lampion_export.graph import Graph

refuses(
    "ONNX has no such operator; compute what depends on parameters alone before exporting",
    *(d.Solve, d.Cholesky, d.Qr, d.Svd, d.Eigh, d.Eig, d.Lu, d.Geqrf, Slogdet, MatrixExp, Pinv, Ldl, LdlSolve),
)


@converts(Det)
def det(g: Graph, op: Det, x: ir.Value) -> ir.Value:
    return g.op("Det", x)
