"""Converters of linear algebra; of decompositions ONNX has none."""

from __future__ import annotations

import onnx_ir as ir

from lampion.ops import decomposition as d
from lampion.ops.determinant import Det, Slogdet
from lampion.ops.ldl import Ldl, LdlSolve
from lampion.ops.linalg import MatrixExp
from lampion.ops.solving import Pinv
from lampion.ops.spectral import Eig, Eigh, Svd
from lampion_export.convert import converts, refuses
from lampion_export.graph import Graph

refuses(
    "ONNX has no such operator; compute what depends on parameters alone before exporting",
    *(d.Solve, d.Cholesky, d.Qr, Svd, Eigh, Eig, d.Lu, d.Geqrf, Slogdet, MatrixExp, Pinv, Ldl, LdlSolve),
)


@converts(Det)
def det(g: Graph, op: Det, x: ir.Value) -> ir.Value:
    return g.op("Det", x)
