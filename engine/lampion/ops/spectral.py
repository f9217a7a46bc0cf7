"""Singular values and eigenvalues of matrices [..., n, m] with their vectors; gradients by M. B. Giles (2008).

Gradients of vectors that are unique only up to a phase, or that belong to equal values, mean something for functions that
don't see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion.ops.complex import conj, real
from lampion.ops.create import eye
from lampion.ops.decomposition import Solve, check_matrix, check_square, given, refusing, symmetric
from lampion.ops.diagonal import diag_embed
from lampion.ops.matmul import adjoint
from lampion.ops.promote import Op, cast
from lampion.ops.strided import diagonal
from lampion.symbolic import Spec, minimum

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Svd(Op):
    """U, S, V^H with U diag(S) V^H = A; all columns of U and V if `full`."""

    def __init__(self, full: bool) -> None:
        self.full = full

    def forward(self, x: Any) -> Any:
        return tuple(refusing(np.linalg.svd, "svd", x, full_matrices=self.full))

    def infer(self, x: Any) -> tuple[Spec, Spec, Spec]:
        *batch, n, m = x.shape
        k = minimum(n, m)
        u, v = (n, m) if self.full else (k, k)
        kind = np.zeros(0, x.dtype).real.dtype
        return Spec((*batch, n, u), x.dtype), Spec((*batch, k), kind), Spec((*batch, v, m), x.dtype)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        k = out[1].shape[-1]
        u, s, vh = out[0][..., :k], cast(out[1], x.dtype), out[2][..., :k, :]
        gs = diag_embed(cast(g[1], x.dtype)) if g[1] is not None else 0
        if g[0] is None and g[2] is None:
            return (u @ gs @ vh,)
        gu, _, gvh = given(g, out)
        gu, gv, v = gu[..., :k], adjoint(gvh[..., :k, :]), adjoint(vh)
        row, column = s.unsqueeze(-2), s.unsqueeze(-1)
        gap = _off_diagonal((row - column) * (row + column))
        turn_u, turn_v = _skew(adjoint(u) @ gu), _skew(adjoint(v) @ gv)
        middle = turn_u / gap * row + column * (turn_v / gap) + gs
        if x.dtype.is_complex:
            middle = middle + diag_embed(diagonal(turn_u, 0, -2, -1) / (2 * s))
        result = u @ middle @ vh
        if x.shape[-2] > k:
            result = result + (gu - u @ (adjoint(u) @ gu)) / row @ vh
        if x.shape[-1] > k:
            result = result + u @ adjoint((gv - v @ (vh @ gv)) / row)
        return (result,)


class Eigh(Op):
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, given by the lower ("L") or upper triangle."""

    def __init__(self, triangle: str) -> None:
        self.triangle = triangle

    def forward(self, x: Any) -> Any:
        return tuple(refusing(np.linalg.eigh, "eigh", x, UPLO=self.triangle))

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        return Spec(x.shape[:-1], np.zeros(0, x.dtype).real.dtype), Spec(x.shape, x.dtype)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        values, v = cast(out[0], x.dtype), out[1]
        middle: Any = diag_embed(cast(g[0], x.dtype)) if g[0] is not None else 0
        if g[1] is not None:
            turn = adjoint(v) @ g[1]
            turn = turn - diag_embed(diagonal(turn, 0, -2, -1))
            middle = middle + turn / _off_diagonal(values.unsqueeze(-2) - values.unsqueeze(-1))
        return (symmetric(v @ middle @ adjoint(v)),)


class Eig(Op):
    """Eigenvalues and eigenvectors of any square matrices, complex."""

    def forward(self, x: Any) -> Any:
        kind = np.result_type(x.dtype, np.complex64)
        return tuple(y.astype(kind) for y in refusing(np.linalg.eig, "eig", x))

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        kind = np.result_type(x.dtype, np.complex64)
        return Spec(x.shape[:-1], kind), Spec(x.shape, kind)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        values, v = out
        middle: Any = diag_embed(g[0]) if g[0] is not None else 0
        if g[1] is not None:
            turn = adjoint(v) @ g[1]
            turn = turn - adjoint(v) @ v * real(diagonal(turn, 0, -2, -1)).unsqueeze(-2)
            turn = turn - diag_embed(diagonal(turn, 0, -2, -1))
            values = conj(values)
            middle = middle + turn / _off_diagonal(values.unsqueeze(-2) - values.unsqueeze(-1))
        result = Solve()(adjoint(v), middle @ adjoint(v))
        return (result if x.dtype.is_complex else real(result),)


# ---- functions --------------------------------------------------------------------------------------------------------


class SVD(NamedTuple):
    """What `linalg.svd` gives."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class OldSVD(NamedTuple):
    """What `svd` gives."""

    U: Tensor
    S: Tensor
    V: Tensor


class Eigen(NamedTuple):
    """What `eig` and `eigh` give."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVD:  # noqa: N803
    """Singular values, descending, and their vectors: A = U diag(S) Vh."""
    check_matrix("svd", A)
    return SVD(*Svd(full_matrices)(A))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:  # noqa: N803
    """Singular values, descending."""
    return svd(A, False).S


def old_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> OldSVD:
    """`torch.svd`: V instead of its conjugate transpose, and zeros for U and V without `compute_uv`."""
    u, s, vh = svd(input, not some or not compute_uv)
    if not compute_uv:
        return OldSVD(u.detach() * 0, s, adjoint(vh.detach() * 0))
    return OldSVD(u, s, adjoint(vh))


def eigh(A: Tensor, UPLO: str = "L") -> Eigen:  # noqa: N803
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, given by their lower or upper triangle."""
    check_square("eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"eigh: expected UPLO 'L' or 'U', got {UPLO!r}")
    return Eigen(*Eigh(UPLO.upper())(A))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:  # noqa: N803
    """Eigenvalues of Hermitian matrices, ascending."""
    return eigh(A, UPLO).eigenvalues


def eig(A: Tensor) -> Eigen:  # noqa: N803
    """Complex eigenvalues, in no order, and eigenvectors of square matrices."""
    check_square("eig", A)
    return Eigen(*Eig()(A))


def eigvals(A: Tensor) -> Tensor:  # noqa: N803
    """Complex eigenvalues of square matrices, in no order."""
    return eig(A).eigenvalues


def _skew(x: Tensor) -> Tensor:
    return x - adjoint(x)


def _off_diagonal(gaps: Tensor) -> Tensor:
    """Differences with 1 on the diagonal, so that one can divide by them."""
    return gaps + eye(gaps.shape[-1], dtype=gaps.dtype)
