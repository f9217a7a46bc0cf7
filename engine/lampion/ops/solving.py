"""Equations with matrices [..., n, m], and inverses: exact ones, those by factors, and of least squares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion import dtypes
from lampion.errors import LinAlgError
from lampion.ops.complex import conj, real
from lampion.ops.create import eye, new
from lampion.ops.decomposition import Cholesky, Solve, check_matrix, check_square, lu_unpack, masked_unit, refusing
from lampion.ops.diagonal import tril, triu
from lampion.ops.matmul import adjoint, matmul
from lampion.ops.promote import Op, as_tensor
from lampion.ops.spectral import eigvalsh, svdvals
from lampion.symbolic import Spec, broadcast_shapes, numel
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Pinv(Op):
    """Moore and Penrose's inverse, without singular values up to max(atol, rtol * the largest)."""

    def __init__(self, atol: Any, rtol: Any, hermitian: bool) -> None:
        self.atol, self.rtol, self.hermitian = atol, rtol, hermitian

    def forward(self, x: Any) -> Any:
        u, s, vh = refusing(np.linalg.svd, "pinv", x, full_matrices=False, hermitian=self.hermitian)
        limit = np.maximum(self.atol, self.rtol * s.max(-1, initial=0))[..., None]
        with np.errstate(divide="ignore"):
            inverse = np.where(s > limit, 1 / s, 0).astype(x.real.dtype)
        return np.swapaxes((u * inverse[..., None, :] @ vh).conj(), -1, -2)

    def infer(self, x: Any) -> Spec:
        return Spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        """G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973) 413-432, (4.12)."""
        a, p, ph, gh = x, out, adjoint(out), adjoint(g)
        left = gh - a @ (p @ gh)
        right = gh - gh @ p @ a
        return (left @ p @ ph + ph @ (p @ right) - adjoint(p @ gh @ p),)


# ---- what functions give ----------------------------------------------------------------------------------------------


class Inverse(NamedTuple):
    """What `inv_ex` gives; info counts from 1 the first matrix row without pivot, 0 where there is an inverse."""

    inverse: Tensor
    info: Tensor


class Result(NamedTuple):
    """What `solve_ex` gives."""

    result: Tensor
    info: Tensor


class Triangle(NamedTuple):
    """What `cholesky_ex` gives."""

    L: Tensor
    info: Tensor


class OldSolution(NamedTuple):
    """What `triangular_solve` gives."""

    solution: Tensor
    cloned_coefficient: Tensor


class LeastSquares(NamedTuple):
    """What `lstsq` gives."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


# ---- functions --------------------------------------------------------------------------------------------------------


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:  # noqa: N803
    """X with A X = B (X A = B unless `left`); B may be a vector, or a batch of them as A's shape without its last dim says.

    Raises LinAlgError (a RuntimeError) where A is singular.
    """
    check_square("solve", A)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector:
        return _solved("solve", A, B.unsqueeze(-1)).squeeze(-1)
    return _solved("solve", A, B) if left else adjoint(_solved("solve", adjoint(A), adjoint(B)))


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Result:  # noqa: N803
    """`solve`, with info instead of an error where A is singular: the result is nan there."""
    check_square("solve_ex", A)
    safe, info, bad = examined("solve", A, np.linalg.inv, check_errors)
    result = solve(safe, B, left=left)
    return Result(_nan_where(bad, result, B.ndim == 1 or B.ndim < A.ndim), info)


def inv(A: Tensor) -> Tensor:  # noqa: N803
    """The inverse of square matrices. Raises LinAlgError (a RuntimeError) where there is none."""
    check_square("inv", A)
    try:
        return Solve()(A, eye(A.shape[-1], dtype=A.dtype).expand(A.shape))
    except LinAlgError:
        raise LinAlgError(
            f"linalg.inv: a matrix of the input of shape {list(A.shape)} is singular, so it has no inverse; use pinv"
        ) from None


def inv_ex(A: Tensor, *, check_errors: bool = False) -> Inverse:  # noqa: N803
    """`inv`, with info instead of an error where there is none: the result is nan there."""
    check_square("inv_ex", A)
    safe, info, bad = examined("inv", A, np.linalg.inv, check_errors)
    return Inverse(_nan_where(bad, inv(safe)), info)


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Triangle:  # noqa: N803
    """`cholesky`, with info instead of an error where A is not positive definite: the result is nan there."""
    check_square("cholesky_ex", A)
    a = adjoint(A) if upper else A
    safe, info, bad = examined("cholesky", a, np.linalg.cholesky, check_errors)
    lower = _nan_where(bad, Cholesky()(safe))
    return Triangle(adjoint(lower) if upper else lower, info)


def solve_triangular(
    A: Tensor,  # noqa: N803
    B: Tensor,  # noqa: N803
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Tensor:
    """`solve` with one triangle of A; with `unitriangular` its diagonal counts as 1."""
    check_square("solve_triangular", A)
    triangle = _triangle(A, upper, unitriangular)
    if left:
        return _solved("solve_triangular", triangle, B)
    return adjoint(_solved("solve_triangular", adjoint(triangle), adjoint(B)))


def triangular_solve(
    b: Tensor,
    A: Tensor,  # noqa: N803
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> OldSolution:
    """`torch.triangular_solve`: the solution and a copy of A."""
    triangle = _triangle(A, upper, unitriangular)
    solution = _solved("triangular_solve", triangle.transpose(-1, -2) if transpose else triangle, b)
    return OldSolution(solution, A.clone())


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:  # noqa: N803
    """X with A X = B, from Cholesky's triangle of A."""
    lower = adjoint(triu(L)) if upper else tril(L)
    return _solved("cholesky_solve", adjoint(lower), _solved("cholesky_solve", lower, B))


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:  # noqa: N803
    """The inverse of A, from Cholesky's triangle of A."""
    check_square("cholesky_inverse", L)
    return cholesky_solve(eye(L.shape[-1], dtype=L.dtype), L, upper)


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:  # noqa: N803
    """X with A X = B (X A = B unless `left`, A^H for A with `adjoint`), from what `lu_factor` gave for A."""
    p, lower, upper = lu_unpack(LU, pivots)
    if not left:
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
    if adjoint:
        return matmul(p, _solved("lu_solve", lower.mH, _solved("lu_solve", upper.mH, B)))
    return _solved("lu_solve", upper, _solved("lu_solve", lower, matmul(p.mT, B)))


def old_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:  # noqa: N803
    """`torch.lu_solve`: X with A X = b."""
    return lu_solve(LU_data, LU_pivots, b)


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:  # noqa: N803
    """The inverse of `A` as a map from its dims from `ind` on to those before."""
    if ind <= 0 or numel(A.shape[:ind]) != numel(A.shape[ind:]):
        raise RuntimeError(
            f"linalg.tensorinv: the first {ind} dims of {list(A.shape)} must hold as many elements as the rest"
        )
    return inv(A.reshape(numel(A.shape[:ind]), -1)).reshape(*A.shape[ind:], *A.shape[:ind])


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:  # noqa: N803
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    a = A if dims is None else A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = a.shape[B.ndim :]
    return solve(a.reshape(B.numel(), -1), B.reshape(-1)).reshape(shape)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:  # noqa: N803
    """The X of least |A X - B|, and of least |X| where there are several; residuals for tall matrices of full rank."""
    check_matrix("lstsq", A)
    n, m = A.shape[-2:]
    vector = B.ndim == A.ndim - 1
    right = B.unsqueeze(-1) if vector else B
    solution = matmul(pinv(A, rtol=rcond), right)
    nothing = new(np.zeros(0, A.dtype.numpy), False)
    values = svdvals(A.detach())
    rank = (values > (max(n, m) * _epsilon(A) if rcond is None else rcond) * values[..., :1]).sum(-1)
    residuals = real(solution.reshape(-1)[:0])
    if n > m and driver not in (None, "gelsy") and bool((rank == m).all()):
        rest = matmul(A, solution) - right
        residuals = real(rest * conj(rest)).sum(-2)
        residuals = residuals.squeeze(-1) if vector else residuals
    return LeastSquares(
        solution.squeeze(-1) if vector else solution,
        residuals,
        rank if driver != "gels" else new(np.zeros(0, np.int64), False),
        values if driver in ("gelss", "gelsd") else real(nothing),
    )


def pinv(
    A: Tensor,  # noqa: N803
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """Moore and Penrose's inverse, without singular values up to max(atol, rtol * the largest).

    `rtol` is by default the rounding of the dtype times the larger size, and 0 where `atol` is given.
    """
    check_matrix("pinv", A)
    atol, rtol = _tolerances(A, atol, rtol if rcond is None else rcond)
    return Pinv(atol, rtol, hermitian)(A)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` under its older name."""
    return pinv(input, rcond)


def matrix_rank(
    A: Tensor,  # noqa: N803
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """How many singular values lie above max(atol, rtol * the largest), int64."""
    check_matrix("matrix_rank", A)
    atol, rtol = _tolerances(A, atol if tol is None else tol, rtol)
    a = A.detach()
    values = (eigvalsh(a).abs() if hermitian else svdvals(a)).numpy()
    limit = np.maximum(atol, rtol * values.max(-1, initial=0))[..., None]
    return as_tensor(np.asarray((values > limit).sum(-1)))


# ---- what they share --------------------------------------------------------------------------------------------------


def _solved(who: str, a: Tensor, b: Tensor) -> Tensor:
    if b.ndim < 2 or (isinstance(a.shape[-1], int) and isinstance(b.shape[-2], int) and a.shape[-1] != b.shape[-2]):
        raise RuntimeError(f"linalg.{who}: {list(a.shape)} and {list(b.shape)} don't fit: expected as many rows")
    if a.dtype is not b.dtype:
        raise RuntimeError(f"linalg.{who}: expected both of one dtype, got {a.dtype} and {b.dtype}; convert with .to()")
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return Solve()(a.expand(*batch, *a.shape[-2:]), b.expand(*batch, *b.shape[-2:]))


def _triangle(a: Tensor, upper: bool, unitriangular: bool) -> Tensor:
    if not unitriangular:
        return triu(a) if upper else tril(a)
    return (triu(a, 1) if upper else tril(a, -1)) + eye(a.shape[-1], dtype=a.dtype)


def examined(who: str, a: Tensor, kernel: Callable[..., Any], check: bool) -> tuple[Tensor, Tensor, Any]:
    """Matrices that `kernel` takes, the unit matrix for those it does not; int32 info; which ones it does not."""
    matrices = a.detach().numpy()
    flat = matrices.reshape(-1, *matrices.shape[-2:]) if matrices.size else np.zeros((0, 0, 0))
    bad = np.zeros(numel(a.shape[:-2]), bool)
    bad[: len(flat)] = [_fails(kernel, m) for m in flat]
    if check and bad.any():
        refusing(kernel, who, matrices)
    bad = bad.reshape(a.shape[:-2])
    return masked_unit(a, bad), new(bad.astype(np.int32), False), bad


def _fails(kernel: Callable[..., Any], matrix: Any) -> bool:
    try:
        kernel(matrix)
    except np.linalg.LinAlgError:
        return True
    return False


def _nan_where(bad: Any, x: Tensor, vector: bool = False) -> Tensor:
    if not np.any(bad):
        return x
    where = np.asarray(bad)[..., None] if vector else np.asarray(bad)[..., None, None]
    return x.masked_fill(as_tensor(where), math.nan)


def _epsilon(x: Tensor) -> float:
    return float(dtypes.finfo(x.dtype).eps)


def _tolerances(a: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Both as numpy arrays."""
    if rtol is None:
        rtol = np.where(_array(0.0 if atol is None else atol) > 0, 0.0, max(a.shape[-2:]) * _epsilon(a))
    return _array(0.0 if atol is None else atol), _array(rtol)


def _array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Handle) else np.asarray(x)  # type: ignore[attr-defined]
