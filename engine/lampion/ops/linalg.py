"""Linear algebra on matrices [..., n, m]: determinants, equations, inverses, norms, powers and products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion import dtypes
from lampion.errors import LinAlgError
from lampion.kernels.linalg import expm
from lampion.ops.complex import conj, imag, real
from lampion.ops.create import eye, full, new, zeros_like
from lampion.ops.cumulative import cumprod
from lampion.ops.decomposition import (
    Cholesky,
    Solve,
    check_matrix,
    check_square,
    eigvalsh,
    lu_unpack,
    masked_unit,
    refusing,
    svd,
    svdvals,
)  # fmt: skip
from lampion.ops.diagonal import diag_embed, tril, triu
from lampion.ops.dims import axes, axis
from lampion.ops.matmul import adjoint, matmul
from lampion.ops.promote import Op, as_tensor, cast, promoted
from lampion.ops.reduce import amax, amin, product_of_others
from lampion.ops.shape import cat
from lampion.ops.strided import diagonal
from lampion.symbolic import Spec, SymInt, broadcast_shapes, may_agree, numel, same
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Dims = int | Sequence[int] | None


class Det(Op):
    """The determinant."""

    def forward(self, x: Any) -> Any:
        return np.asarray(np.linalg.det(x), x.dtype)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape[:-2], x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        """g times the conjugate cofactors: det(A)^* A^-H (Giles), by singular values where A has no inverse."""
        if _is_safe(out, x):
            return (inv(adjoint(x)) * _over(g * conj(out)),)
        u, s, vh = svd(x, False)
        phase = _over(g * conj(det(u) * det(vh)))
        return (u @ diag_embed(cast(product_of_others(s, -1), x.dtype)) @ vh * phase,)


class Slogdet(Op):
    """The determinant's sign (for complex numbers x / |x|) and the logarithm of its size."""

    def forward(self, x: Any) -> Any:
        sign, log = np.linalg.slogdet(x)
        return np.asarray(sign, x.dtype), np.asarray(log, x.real.dtype)

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        return Spec(x.shape[:-2], x.dtype), Spec(x.shape[:-2], np.zeros(0, x.dtype).real.dtype)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        total = cast(g[1], x.dtype) if g[1] is not None else zeros_like(out[0].detach())
        if x.dtype.is_complex and g[0] is not None:
            total = total + 1j * imag(g[0] * conj(out[0]))
        return (inv(adjoint(x)) * _over(total),)


class MatrixExp(Op):
    """The exponential of square matrices; derived by a block triangle (R. Mathias, SIAM J. Matrix Anal. Appl. 17, 1996)."""

    def forward(self, x: Any) -> Any:
        return expm(x)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        n, back = x.shape[-1], adjoint(x)
        block = cat([cat([back, g], -1), cat([zeros_like(back), back], -1)], -2)
        return (MatrixExp()(block)[..., :n, n:],)


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


# ---- determinants ---------------------------------------------------------------------------------------------------


class SignLog(NamedTuple):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


def det(A: Tensor) -> Tensor:  # noqa: N803
    """The determinant of square matrices."""
    check_square("det", A)
    return A[..., 0, 0] if same(A.shape[-1], 1) else Det()(A)


def slogdet(A: Tensor) -> SignLog:  # noqa: N803
    """The sign of the determinant and the logarithm of its size, which does not overflow."""
    check_square("slogdet", A)
    return SignLog(*Slogdet()(A))


def logdet(input: Tensor) -> Tensor:
    """log(det(A)); nan where the determinant is negative."""
    sign, log = slogdet(input)
    if input.dtype.is_complex:
        return sign.log() + log
    return log.masked_fill(sign == -1, math.nan)


# ---- equations and inverses -----------------------------------------------------------------------------------------


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
    safe, info, bad = _examined("solve", A, np.linalg.inv, check_errors)
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
    safe, info, bad = _examined("inv", A, np.linalg.inv, check_errors)
    return Inverse(_nan_where(bad, inv(safe)), info)


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Triangle:  # noqa: N803
    """`cholesky`, with info instead of an error where A is not positive definite: the result is nan there."""
    check_square("cholesky_ex", A)
    a = adjoint(A) if upper else A
    safe, info, bad = _examined("cholesky", a, np.linalg.cholesky, check_errors)
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


def cond(A: Tensor, p: Any = None) -> Tensor:  # noqa: N803
    """The condition number: the `p`-norm (by default of singular values) of A times that of its inverse; inf for singular A."""
    check_matrix("cond", A)
    if p in (None, 2, -2):
        values = svdvals(A)
        large, small = values[..., 0], values[..., -1]
        return small / large if p == -2 else large / small
    check_square("cond", A)
    safe, _, bad = _examined("inv", A, np.linalg.inv, False)
    number = matrix_norm(A, p) * matrix_norm(inv(safe), p)
    return number.masked_fill(as_tensor(np.asarray(bad)), math.inf) if np.any(bad) else number


# ---- norms ----------------------------------------------------------------------------------------------------------


def vector_norm(x: Tensor, ord: Any = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """(sum |x|^ord)^(1 / ord) over `dim` (all if None); 0 counts what is not 0, inf and -inf take the extremes.

    The gradient at 0 is 0. Raises RuntimeError for integers.
    """
    if dtype is not None:
        x = cast(x, dtypes.of(dtype))
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"linalg.vector_norm: expected floating point or complex numbers, got {x.dtype}")
    dims = list(axes(dim, x.ndim, "vector_norm"))
    over: Any = dims or None
    if ord == 2:
        return _root((real(x * conj(x)) if x.dtype.is_complex else x * x).sum(over, keepdim), 0.5)
    size = x.abs()
    if ord in (math.inf, -math.inf):
        return (amax if ord > 0 else amin)(size, over, keepdim)
    zero = size == 0
    if ord == 0:
        return (cast(~zero, size.dtype) + size * 0).sum(over, keepdim)
    if ord == 1:
        return size.sum(over, keepdim)
    powers = size.masked_fill(zero, 1) ** ord
    return _root(powers.masked_fill(zero, 0 if ord > 0 else math.inf).sum(over, keepdim), 1 / ord)


def matrix_norm(
    A: Tensor,  # noqa: N803
    ord: Any = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """ "fro", "nuc" (sum of singular values), 2 and -2 (their extremes), 1 and -1 (of columns' sums), inf and -inf (rows')."""
    if dtype is not None:
        A = cast(A, dtypes.of(dtype))  # noqa: N806
    check_matrix("matrix_norm", A)
    first, second = axis(dim[0], A.ndim, "matrix_norm"), axis(dim[1], A.ndim, "matrix_norm")
    if first == second:
        raise RuntimeError(f"linalg.matrix_norm: expected two different dims, got {tuple(dim)}")
    if ord == "fro":
        return vector_norm(A, 2, (first, second), keepdim)
    matrices = A.movedim((first, second), (-2, -1))
    norm = _matrix_norm(matrices, ord)
    for d in sorted((first, second)) if keepdim else ():
        norm = norm.unsqueeze(d)
    return norm


def old_norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`torch.norm`: the vector norm over `dim` (all if None); "fro" is 2, "nuc" that of matrices."""
    if p == "nuc":
        dims = tuple(dim) if dim is not None and not isinstance(dim, int) else (0, 1)
        return matrix_norm(input, "nuc", dims, keepdim, dtype=dtype)
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def _matrix_norm(a: Tensor, ord: Any) -> Tensor:
    if ord == "nuc":
        return svdvals(a).sum(-1)
    if ord in (2, -2):
        return _extreme(svdvals(a), ord)
    if ord in (1, -1, math.inf, -math.inf):
        return _extreme(a.abs().sum(-2 if abs(ord) == 1 else -1), ord)
    raise RuntimeError(f"linalg.matrix_norm: expected ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")


def _extreme(sizes: Tensor, ord: float) -> Tensor:
    """The largest of nothing is 0."""
    if ord > 0 and same(sizes.shape[-1], 0):
        return sizes.sum(-1)
    return (amax if ord > 0 else amin)(sizes, -1)


def norm(A: Tensor, ord: Any = None, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:  # noqa: N803
    """`matrix_norm` of two dims, else `vector_norm`; without `ord` the root of the sum of squares."""
    dims = dim if dim is None or isinstance(dim, int) else tuple(dim)
    if ord is not None and (A.ndim == 2 if dims is None else isinstance(dims, tuple) and len(dims) == 2):
        return matrix_norm(A, ord, dims if isinstance(dims, tuple) else (0, 1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: ord {ord!r} is for matrices; got shape {list(A.shape)} and dim {dim}")
    if ord is not None and dims is None and A.ndim > 2:
        raise RuntimeError(f"linalg.norm: with ord, expected 1 or 2 dimensions or a dim, got shape {list(A.shape)}")
    return vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return vector_norm(input - other, p)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm distances [..., n, m] of rows [..., n, d] from rows [..., m, d]."""
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


# ---- powers and products --------------------------------------------------------------------------------------------


def matrix_exp(A: Tensor) -> Tensor:  # noqa: N803
    """The sum of A^k / k!."""
    check_square("matrix_exp", A)
    return MatrixExp()(A) if A.shape[-1] != 0 else A.clone()


def matrix_power(A: Tensor, n: int) -> Tensor:  # noqa: N803
    """A multiplied with itself `n` times; of its inverse for negative `n`."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"linalg.matrix_power: expected square matrices, got shape {list(A.shape)}")
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 0:
        return eye(A.shape[-1], dtype=A.dtype).expand(A.shape).clone() + A * 0
    half = matrix_power(A, n // 2) if n > 1 else None
    if half is None:
        return A.clone()
    return matmul(matmul(half, half), A) if n % 2 else matmul(half, half)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices in the cheapest order (T. H. Cormen et al., Introduction to Algorithms, 15.2).

    The first and the last may be vectors. Raises RuntimeError for fewer than two, or shapes that don't fit.
    """
    if len(tensors) < 2:
        raise RuntimeError(f"linalg.multi_dot: expected at least 2 tensors, got {len(tensors)}")
    row, column = tensors[0].ndim == 1, tensors[-1].ndim == 1
    parts = list(tensors)
    parts[0] = parts[0].unsqueeze(0) if row else parts[0]
    parts[-1] = parts[-1].unsqueeze(1) if column else parts[-1]
    for i, x in enumerate(parts):
        if x.ndim != 2 or (i and not may_agree(parts[i - 1].shape[1:], x.shape[:1])):
            raise RuntimeError(
                f"linalg.multi_dot: tensor {i} of shape {list(tensors[i].shape)} does not fit the one before it"
            )
    out = _product(parts)
    if row and column:
        return out.reshape(())
    return out.squeeze(0) if row else out.squeeze(1) if column else out


def _product(parts: Sequence[Tensor]) -> Tensor:
    """From the left where sizes vary, since no order is cheapest for all of them."""
    if any(isinstance(n, SymInt) for x in parts for n in x.shape):
        return reduce(matmul, parts)
    return _cheapest(parts, 0, len(parts), {})[1]()


def _cheapest(parts: Sequence[Tensor], i: int, j: int, known: dict[Any, Any]) -> tuple[int, Callable[[], Tensor]]:
    """The multiplications that the product of parts i to j - 1 takes, and how to compute it."""
    if (i, j) not in known and j - i == 1:
        known[i, j] = 0, lambda: parts[i]
    if (i, j) not in known:
        best: Any = None
        for k in range(i + 1, j):
            (a, left), (b, right) = _cheapest(parts, i, k, known), _cheapest(parts, k, j, known)
            cost = a + b + parts[i].shape[0] * parts[k].shape[0] * parts[j - 1].shape[1]
            if best is None or cost < best[0]:
                best = cost, lambda left=left, right=right: matmul(left(), right())
        known[i, j] = best
    return known[i, j]


def chain_matmul(*matrices: Tensor) -> Tensor:
    """`multi_dot` of its arguments."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of 3 along `dim`. Raises RuntimeError for another size."""
    x, y = promoted(input, other)
    shape = broadcast_shapes(x.shape, y.shape)
    x, y, dim = x.expand(shape), y.expand(shape), axis(dim, len(shape), "cross")
    if not same(shape[dim], 3):
        raise RuntimeError(f"linalg.cross: expected size 3 along dim {dim}, got shape {list(shape)}")
    after, before = as_tensor(np.array([1, 2, 0])), as_tensor(np.array([2, 0, 1]))
    return x.index_select(dim, after) * y.index_select(dim, before) - x.index_select(dim, before) * y.index_select(
        dim, after
    )


def old_cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """`torch.cross`: along the first dim of size 3 unless `dim` says which."""
    shape = broadcast_shapes(input.shape, other.shape)
    fitting = [i for i, n in enumerate(shape) if same(n, 3)] if dim is None else [dim]
    if not fitting:
        raise RuntimeError(f"cross: expected a dim of size 3, got shape {list(shape)}")
    return cross(input, other, dim=fitting[0])


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """sum conj(x) y along `dim`"""
    return (conj(x) * y).sum(dim)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:  # noqa: N803
    """The powers 0 to N - 1 (by default as many as there are elements) of x along a new last dim."""
    x = x if x.ndim else x.reshape(1)
    n = x.shape[-1] if N is None else N
    kind = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    x = cast(x, kind).unsqueeze(-1)
    one = full((*x.shape[:-1], 1), 1, dtype=kind)
    return cat([one, cumprod(x.expand(*x.shape[:-1], n - 1), -1)], -1) if n > 1 else one[..., :n]


def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:  # noqa: N803
    """The diagonals of matrices, by default of the last two dims."""
    return diagonal(A, offset, dim1, dim2)


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


def householder_product(A: Tensor, tau: Tensor) -> Tensor:  # noqa: N803
    """The first columns of the product of I - tau[i] v v^H, v the columns of A below a 1 on the diagonal."""
    check_matrix("householder_product", A)
    n, m = A.shape[-2:]
    if m > n or tau.shape[-1] > m:
        raise RuntimeError(
            f"linalg.householder_product: expected no more columns than rows, and factors than columns, got {list(A.shape)} "
            f"and {list(tau.shape)}"
        )
    unit = eye(n, m, dtype=A.dtype).expand(*A.shape[:-2], n, m)
    if same(tau.shape[-1], 0):
        return unit + A * 0
    return _reflected(A, tau, unit, backwards=True)


def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """Q, which `geqrf` keeps as `input` and `tau`, times `other` (other times Q unless `left`), Q^H if `transpose`."""
    if not left:
        return adjoint(ormqr(input, tau, adjoint(other), True, not transpose))
    return _reflected(input, conj(tau) if transpose else tau, other, backwards=not transpose)


def _reflected(A: Tensor, tau: Tensor, other: Tensor, backwards: bool) -> Tensor:  # noqa: N803
    n = A.shape[-2]
    lower = tril(A, -1) + eye(n, A.shape[-1], dtype=A.dtype)
    order = range(tau.shape[-1])
    for i in reversed(order) if backwards else order:
        v = lower[..., i : i + 1]
        other = other - _over(tau[..., i]) * (v @ (adjoint(v) @ other))
    return other


# ---- what they share ------------------------------------------------------------------------------------------------


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


def _examined(who: str, a: Tensor, kernel: Callable[..., Any], check: bool) -> tuple[Tensor, Tensor, Any]:
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


def _is_safe(det: Tensor, x: Tensor) -> bool:
    """Whether an inverse is exact enough: the determinant is not tiny beside what the rows' lengths allow (Hadamard)."""
    data, rows = det._value.data, x._value.data
    if not isinstance(data, np.ndarray):
        return True
    bound = np.prod(np.sqrt((np.abs(rows) ** 2).sum(-1)), -1)
    return bool((np.abs(data) > 1e-4 * bound).all())


def _root(x: Tensor, power: float) -> Tensor:
    """x ** power with gradient 0 at 0."""
    zero = x == 0
    safe = x.masked_fill(zero, 1)
    root = safe.sqrt() if power == 0.5 else safe**power
    return root.masked_fill(zero, 0 if power > 0 else math.inf)


def _over(x: Tensor) -> Tensor:
    """Numbers [...] as matrices [..., 1, 1]."""
    return x.unsqueeze(-1).unsqueeze(-1)


def _epsilon(x: Tensor) -> float:
    return float(dtypes.finfo(x.dtype).eps)


def _tolerances(a: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Both as numpy arrays."""
    if rtol is None:
        rtol = np.where(_array(0.0 if atol is None else atol) > 0, 0.0, max(a.shape[-2:]) * _epsilon(a))
    return _array(0.0 if atol is None else atol), _array(rtol)


def _array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Handle) else np.asarray(x)  # type: ignore[attr-defined]
