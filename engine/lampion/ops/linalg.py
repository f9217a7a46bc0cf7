"""Linear algebra on matrices [..., n, m]: powers, products, reflections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.kernels.linalg import expm
from lampion.ops.complex import conj
from lampion.ops.create import eye, full, zeros_like
from lampion.ops.cumulative import cumprod
from lampion.ops.decomposition import check_matrix, check_square
from lampion.ops.diagonal import tril
from lampion.ops.dims import axis
from lampion.ops.matmul import adjoint, matmul
from lampion.ops.promote import Op, as_tensor, cast, promoted
from lampion.ops.shape import cat
from lampion.ops.solving import inv
from lampion.ops.strided import diagonal
from lampion.symbolic import Spec, SymInt, broadcast_shapes, may_agree, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


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
        other = other - tau[..., i].unsqueeze(-1).unsqueeze(-1) * (v @ (adjoint(v) @ other))
    return other
