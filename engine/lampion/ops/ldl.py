"""The LDL^T decomposition of symmetric and Hermitian matrices, and equations by it. Not differentiable, as in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion.errors import LinAlgError
from lampion.kernels import ldl as kernel
from lampion.ops.decomposition import check_square
from lampion.ops.promote import Op
from lampion.symbolic import Spec, broadcast_shapes

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Ldl(Op):
    """L and D in one matrix, int32 pivots, and int32 info: where D has its first 0, counted from 1."""

    def __init__(self, hermitian: bool) -> None:
        self.hermitian = hermitian

    def forward(self, x: Any) -> Any:
        batch, n = x.shape[:-2], x.shape[-1]
        compact, pivots, info = x.copy(), np.zeros((*batch, n), np.int32), np.zeros(batch, np.int32)
        for i in np.ndindex(batch):
            compact[i], pivots[i], info[i] = kernel.factor(x[i], self.hermitian)
        return compact, pivots, info

    def infer(self, x: Any) -> tuple[Spec, Spec, Spec]:
        return Spec(x.shape, x.dtype), Spec(x.shape[:-1], np.int32), Spec(x.shape[:-2], np.int32)


class LdlSolve(Op):
    """X with A X = B, from what `Ldl` gave."""

    def __init__(self, hermitian: bool) -> None:
        self.hermitian = hermitian

    def forward(self, compact: Any, pivots: Any, b: Any) -> Any:
        out = b.copy()
        for i in np.ndindex(b.shape[:-2]):
            out[i] = kernel.solve(compact[i], pivots[i], b[i], self.hermitian)
        return out

    def infer(self, compact: Any, pivots: Any, b: Any) -> Spec:
        return Spec(b.shape, b.dtype)


class LdlFactor(NamedTuple):
    """What `ldl_factor` gives."""

    LD: Tensor
    pivots: Tensor


class LdlFactorInfo(NamedTuple):
    """What `ldl_factor_ex` gives."""

    LD: Tensor
    pivots: Tensor
    info: Tensor


def ldl_factor(A: Tensor, *, hermitian: bool = False) -> LdlFactor:  # noqa: N803
    """L and D of symmetric (complex: `hermitian` or not) matrices A = L D L^T, in LAPACK's form, from the lower triangle.

    Raises LinAlgError (a RuntimeError) where D is singular.
    """
    factor = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return LdlFactor(factor.LD, factor.pivots)


def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> LdlFactorInfo:  # noqa: N803
    """`ldl_factor`, with int32 info instead of an error: where D has its first 0, from 1, and 0 where it has none."""
    check_square("ldl_factor", A)
    factor = LdlFactorInfo(*Ldl(hermitian)(A.detach()))
    if check_errors and bool(factor.info.any()):
        raise LinAlgError("linalg.ldl_factor: D has a zero on its diagonal, so the input is singular")
    return factor


def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:  # noqa: N803
    """X [..., n, m] with A X = B, from what `ldl_factor` gave for A. Raises RuntimeError for shapes that don't fit."""
    check_square("ldl_solve", LD)
    n = LD.shape[-1]
    if B.ndim < 2 or B.shape[-2] != n or tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError(
            f"linalg.ldl_solve: expected pivots {list(LD.shape[:-1])} and B [..., {n}, m], got {list(pivots.shape)} "
            f"and {list(B.shape)}"
        )
    batch = broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    return LdlSolve(hermitian)(LD.expand(*batch, n, n), pivots.expand(*batch, n), B.expand(*batch, *B.shape[-2:]))
