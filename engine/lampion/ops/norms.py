"""Norms of vectors and of matrices, and the condition number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.complex import conj, real
from lampion.ops.decomposition import check_matrix, check_square
from lampion.ops.dims import axes, axis
from lampion.ops.promote import as_tensor, cast
from lampion.ops.reduce import amax, amin
from lampion.ops.solving import examined, inv
from lampion.ops.spectral import svdvals
from lampion.symbolic import same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


Dims = int | Sequence[int] | None


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


def cond(A: Tensor, p: Any = None) -> Tensor:  # noqa: N803
    """The condition number: the `p`-norm (by default of singular values) of A times that of its inverse; inf for singular A."""
    check_matrix("cond", A)
    if p in (None, 2, -2):
        values = svdvals(A)
        large, small = values[..., 0], values[..., -1]
        return small / large if p == -2 else large / small
    check_square("cond", A)
    safe, _, bad = examined("inv", A, np.linalg.inv, False)
    number = matrix_norm(A, p) * matrix_norm(inv(safe), p)
    return number.masked_fill(as_tensor(np.asarray(bad)), math.inf) if np.any(bad) else number


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


def _root(x: Tensor, power: float) -> Tensor:
    """x ** power with gradient 0 at 0."""
    zero = x == 0
    safe = x.masked_fill(zero, 1)
    root = safe.sqrt() if power == 0.5 else safe**power
    return root.masked_fill(zero, 0 if power > 0 else math.inf)
