"""Decompositions of matrices [..., n, m] into triangles, whose gradients are those of the literature.

I. Murray, arXiv:1602.07527, for Cholesky's; S. F. Walter and L. Lehmann, arXiv:1009.6112, for QR; and for LU by blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion import dtypes
from lampion.errors import LinAlgError
from lampion.kernels.linalg import lu_in_place, permutation
from lampion.ops.comparison import where
from lampion.ops.complex import real
from lampion.ops.create import eye, new
from lampion.ops.diagonal import diag_embed, tril, triu
from lampion.ops.matmul import adjoint
from lampion.ops.promote import Op, as_tensor
from lampion.ops.shape import cat
from lampion.ops.strided import diagonal
from lampion.symbolic import Spec, minimum

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def refusing(kernel: Callable[..., Any], who: str, *arrays: Any, **settings: Any) -> Any:
    """numpy's function, whose complaints become a `LinAlgError` that says who computed."""
    try:
        return kernel(*arrays, **settings)
    except np.linalg.LinAlgError as error:
        shapes = " and ".join(str(list(a.shape)) for a in arrays)
        raise LinAlgError(
            f"linalg.{who}: {str(error).lower()} (input of shape {shapes}); the result does not exist for this input"
        ) from None


class Solve(Op):
    """X with A X = B, over the last two dims."""

    def forward(self, a: Any, b: Any) -> Any:
        return refusing(np.linalg.solve, "solve", a, b)

    def infer(self, a: Any, b: Any) -> Spec:
        return Spec(b.shape, b.dtype)

    def gradient(self, g: Tensor, out: Tensor, a: Tensor, b: Tensor) -> tuple[Any, ...]:
        back = Solve()(adjoint(a), g)
        return -back @ adjoint(out), back


class Cholesky(Op):
    """The lower triangle L with L L^H = A, from the lower triangle of A."""

    def forward(self, x: Any) -> Any:
        return refusing(np.linalg.cholesky, "cholesky", x)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        p = tril(adjoint(out) @ g)
        p = (p + adjoint(p) - diag_embed(real(diagonal(p, 0, -2, -1)))) / 2
        back = adjoint(out)
        return (adjoint(Solve()(back, adjoint(Solve()(back, p)))),)


class Qr(Op):
    """Q with orthonormal columns and an upper triangle R with Q R = A; all columns of Q if `complete`."""

    def __init__(self, complete: bool) -> None:
        self.complete = complete

    def forward(self, x: Any) -> Any:
        return tuple(refusing(np.linalg.qr, "qr", x, mode="complete" if self.complete else "reduced"))

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        *batch, n, m = x.shape
        k = n if self.complete else minimum(n, m)
        return Spec((*batch, n, k), x.dtype), Spec((*batch, k, m), x.dtype)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        (q, r), n, m = out, x.shape[-2], x.shape[-1]
        if self.complete and n > m:
            raise RuntimeError(
                f"qr: with mode='complete' only matrices that are not taller than wide are differentiable, got {list(x.shape)}"
            )
        gq, gr = given(g, out)
        if n >= m:
            return (_square_qr_gradient(gq, gr, q, r),)
        left, right = r[..., :n], gr[..., n:]
        gq = gq + x[..., n:] @ adjoint(right)
        return (cat([_square_qr_gradient(gq, gr[..., :n], q, left), q @ right], -1),)


def _square_qr_gradient(gq: Tensor, gr: Tensor, q: Tensor, r: Tensor) -> Tensor:
    upper = triu(gr @ adjoint(r) - adjoint(q) @ gq)
    both = upper + adjoint(upper) - diag_embed(real(diagonal(upper, 0, -2, -1)))
    return adjoint(Solve()(r, adjoint(gq + q @ both)))


class Lu(Op):
    """L (unit diagonal, not stored) and U in one matrix with P L U = A, and int32 pivots, counted from 1 as LAPACK does."""

    def __init__(self, pivot: bool) -> None:
        self.pivot = pivot

    def forward(self, x: Any) -> Any:
        return lu_in_place(x.copy(), self.pivot)

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        *batch, n, m = x.shape
        return Spec(x.shape, x.dtype), Spec((*batch, minimum(n, m)), np.int32)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        compact, pivots = out
        n, m = x.shape[-2:]
        k = min(n, m)
        one = eye(k, dtype=x.dtype)
        lower, upper = tril(compact[..., :k, :k], -1) + one, triu(compact[..., :k, :k])
        gl, gu = tril(g[0][..., :k, :k], -1), triu(g[0][..., :k, :k])
        rest = []
        if n > m:  # the rows below are L2 = A2 U^-1
            rest = [adjoint(Solve()(upper, adjoint(g[0][..., k:, :])))]
            gu = gu - adjoint(compact[..., k:, :]) @ rest[0]
        if m > n:  # the columns to the right are U2 = L^-1 A2
            rest = [Solve()(adjoint(lower), g[0][..., k:])]
            gl = gl - rest[0] @ adjoint(compact[..., k:])
        middle = tril(adjoint(lower) @ gl, -1) + triu(gu @ adjoint(upper))
        left = Solve()(adjoint(lower), middle)
        square = adjoint(Solve()(upper, adjoint(left)))
        both = cat([square, *rest], -2 if n > m else -1)
        return (permutations(pivots, n, x.dtype) @ both,)


class Geqrf(Op):
    """The QR decomposition as LAPACK keeps it: R over Householder's vectors, and their factors."""

    def forward(self, x: Any) -> Any:
        h, tau = refusing(np.linalg.qr, "geqrf", x, mode="raw")
        return np.swapaxes(h, -1, -2).copy(), tau

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        *batch, n, m = x.shape
        return Spec(x.shape, x.dtype), Spec((*batch, minimum(n, m)), x.dtype)


def given(g: Any, out: Any) -> list[Any]:
    """Gradients, zero where nobody sent one."""
    return [y.detach() * 0 if x is None else x for x, y in zip(g, out, strict=True)]


# ---- functions --------------------------------------------------------------------------------------------------------


class QR(NamedTuple):
    """What `qr` gives."""

    Q: Tensor
    R: Tensor


class PLU(NamedTuple):
    """What `linalg.lu` and `lu_unpack` give."""

    P: Tensor
    L: Tensor
    U: Tensor


class Factor(NamedTuple):
    """What `lu_factor` gives."""

    LU: Tensor
    pivots: Tensor


class FactorInfo(NamedTuple):
    """What `lu_factor_ex` gives."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


class Reflectors(NamedTuple):
    """What `geqrf` gives."""

    a: Tensor
    tau: Tensor


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:  # noqa: N803
    """The lower triangle L with L L^H = A, or its conjugate transpose if `upper`.

    Raises LinAlgError (a RuntimeError) where A is not positive definite.
    """
    check_square("cholesky", A)
    return adjoint(Cholesky()(adjoint(A))) if upper else Cholesky()(A)


def qr(A: Tensor, mode: str = "reduced") -> QR:  # noqa: N803
    """Q with orthonormal columns and an upper triangle R; `mode` "complete" gives all columns, "r" no Q."""
    check_matrix("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr: expected mode 'reduced', 'complete' or 'r', got {mode!r}")
    q, r = Qr(mode == "complete")(A)
    return QR(new(np.zeros(0, A.dtype.numpy), False), r) if mode == "r" else QR(q, r)


def lu_factor(A: Tensor, *, pivot: bool = True) -> Factor:  # noqa: N803
    """L and U in one matrix, and pivots: row i was exchanged with row pivots[i], counted from 1."""
    check_matrix("lu_factor", A)
    return Factor(*Lu(pivot)(A))


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> FactorInfo:  # noqa: N803
    """`lu_factor`, and the place (from 1) of the first 0 on the diagonal of U, 0 where there is none."""
    factor = lu_factor(A, pivot=pivot)
    zero = diagonal(factor.LU.detach(), 0, -2, -1).numpy() == 0
    info = np.where(zero.any(-1), zero.argmax(-1) + 1, 0) if zero.shape[-1] else np.zeros(zero.shape[:-1])
    if check_errors and np.any(info):
        raise LinAlgError("linalg.lu_factor: U has a zero on its diagonal, so the input is singular")
    return FactorInfo(*factor, new(np.asarray(info, np.int32), False))


def lu(A: Tensor, *, pivot: bool = True) -> PLU:  # noqa: N803
    """P, L, U with P L U = A; without `pivot` P is empty."""
    factor = lu_factor(A, pivot=pivot)
    p, lower, upper = lu_unpack(*factor)
    return PLU(p if pivot else new(np.zeros(0, A.dtype.numpy), False), lower, upper)


def old_lu(input: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """`torch.lu`: L and U in one matrix, pivots, and with `get_infos` what `lu_factor_ex` says of them."""
    factor = lu_factor_ex(input, pivot=pivot)
    return factor if get_infos else Factor(factor.LU, factor.pivots)


def lu_unpack(
    LU_data: Tensor,  # noqa: N803
    LU_pivots: Tensor,  # noqa: N803
    unpack_data: bool = True,
    unpack_pivots: bool = True,
) -> PLU:
    """P, L, U from what `lu_factor` gave; empty where not asked for."""
    n, m = LU_data.shape[-2:]
    k = min(n, m)
    nothing = new(np.zeros(0, LU_data.dtype.numpy), False)
    p = permutations(LU_pivots, n, LU_data.dtype) if unpack_pivots else nothing
    if not unpack_data:
        return PLU(p, nothing, nothing)
    one = eye(n, k, dtype=LU_data.dtype)
    return PLU(p, tril(LU_data[..., :k], -1) + one, triu(LU_data[..., :k, :]))


def geqrf(input: Tensor) -> Reflectors:
    """The QR decomposition as LAPACK keeps it, for `householder_product` and `ormqr`."""
    check_matrix("geqrf", input)
    return Reflectors(*Geqrf()(input))


def permutations(pivots: Tensor, n: int, dtype: dtypes.dtype) -> Tensor:
    """The matrices P [..., n, n] that undo the exchanges of rows `pivots`."""
    rows = permutation(pivots.detach().numpy(), n)
    return as_tensor(np.swapaxes(np.eye(n, dtype=dtype.numpy)[rows], -1, -2).copy())


def check_matrix(who: str, x: Tensor) -> None:
    """Raises RuntimeError unless `x` holds matrices of floating point or complex numbers."""
    if x.ndim < 2:
        raise RuntimeError(f"linalg.{who}: expected matrices [..., n, m], got shape {list(x.shape)}")
    if x.dtype.category < dtypes.FLOAT or x.dtype is dtypes.float16:
        raise RuntimeError(
            f"linalg.{who}: expected float32, float64 or complex numbers, got {x.dtype}; convert with .to()"
        )


def check_square(who: str, x: Tensor) -> None:
    """Raises RuntimeError unless `x` holds square matrices."""
    check_matrix(who, x)
    n, m = x.shape[-2:]
    if isinstance(n, int) and isinstance(m, int) and n != m:
        raise RuntimeError(f"linalg.{who}: expected square matrices, got shape {list(x.shape)}")


def symmetric(x: Tensor) -> Tensor:
    """(x + x^H) / 2"""
    return (x + adjoint(x)) / 2


def masked_unit(x: Tensor, bad: Any) -> Tensor:
    """`x` with the unit matrix in place of the matrices that are `bad`."""
    if not np.any(bad):
        return x
    return where(as_tensor(np.asarray(bad)[..., None, None]), eye(x.shape[-1], dtype=x.dtype), x)
