"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.comparison import where
from lampion.ops.complex import conj
from lampion.ops.create import full
from lampion.ops.elementwise import unbroadcast
from lampion.ops.promote import Op
from lampion.symbolic import Spec, SymInt, broadcast_shapes, numel, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class MatMul(Op):
    """Matrix product over the last two dims, the others broadcast; both operands have at least two dims."""

    def forward(self, x: Any, y: Any) -> Any:
        return np.matmul(x, y)

    def infer(self, x: Any, y: Any) -> Spec:
        return Spec((*broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g @ adjoint(y), x)), (lambda: self._right(g, x, y))

    def _right(self, g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        if y.ndim == 2 and x.ndim > 2:  # one product over all rows instead of a sum of products
            rows = numel(x.shape[:-1])
            return conj(x.reshape(rows, x.shape[-1])).t() @ g.reshape(rows, g.shape[-1])
        return unbroadcast(adjoint(x) @ g, y)


_MATMUL = MatMul()


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of matrices [..., n, m]."""
    return conj(input.transpose(-1, -2))


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of matrices [..., n, k] and [..., k, m]; a vector is a row on the left, a column on the right.

    Raises RuntimeError where the inner sizes differ, naming both shapes.
    """
    x, y = input, other
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"matmul: expected operands of one dtype, got {x.dtype} and {y.dtype}; convert one with .to()"
        )
    if x.ndim == 0 or y.ndim == 0:
        raise RuntimeError(f"matmul: both arguments need at least 1 dimension, got {list(x.shape)} and {list(y.shape)}")
    inner, outer = x.shape[-1], y.shape[-2 if y.ndim > 1 else 0]
    if not (same(inner, outer) or isinstance(inner, SymInt) or isinstance(outer, SymInt)):
        raise RuntimeError(
            f"matmul: shapes {list(input.shape)} and {list(other.shape)} cannot be multiplied: "
            f"{inner} columns against {outer} rows"
        )
    row, column = x.ndim == 1, y.ndim == 1
    out: Tensor = _MATMUL(x.unsqueeze(0) if row else x, y.unsqueeze(1) if column else y)
    if row and column:
        return out.reshape(())
    return out.squeeze(-2) if row else out.squeeze(-1) if column else out


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices. Raises RuntimeError for other ranks."""
    _expect_rank("mm", 2, input, mat2)
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices [b, n, k] and [b, k, m]. Raises RuntimeError for other ranks."""
    _expect_rank("bmm", 3, input, mat2)
    a, b = input.shape[0], mat2.shape[0]
    if isinstance(a, int) and isinstance(b, int) and a != b:
        raise RuntimeError(f"bmm: expected batches of one size, got {list(input.shape)} and {list(mat2.shape)}")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector. Raises RuntimeError for other ranks."""
    _expect_rank("mv", 2, input)
    _expect_rank("mv", 1, vec)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors. Raises RuntimeError for other ranks."""
    _expect_rank("dot", 1, input, tensor)
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The outer product of two vectors."""
    return input.unsqueeze(1) * vec2.unsqueeze(0)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)"""
    return _blended(input, mm(mat1, mat2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), for batches of matrices"""
    return _blended(input, bmm(batch1, batch2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec)"""
    return _blended(input, mv(mat, vec), beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * the sum of the products of two batches of matrices"""
    return _blended(input, bmm(batch1, batch2).sum(0), beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)"""
    return _blended(input, outer(vec1, vec2), beta, alpha)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum of products along the last dims; the plain product where one is a number."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    batch, rows = input.shape[:-1], other.shape[:-1]
    product = matmul(input.reshape(-1, input.shape[-1]), other.reshape(-1, other.shape[-1]).t())
    return product.reshape(*batch, *rows)


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors, the first conjugated."""
    return dot(conj(input), other)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of `input` times all of `other`."""
    ndim = max(input.ndim, other.ndim)
    x = input.reshape((1,) * (ndim - input.ndim) + tuple(input.shape))
    y = other.reshape((1,) * (ndim - other.ndim) + tuple(other.shape))
    wide = x.reshape([n for size in x.shape for n in (size, 1)]) * y.reshape([n for size in y.shape for n in (1, size)])
    return wide.reshape([a * b for a, b in zip(x.shape, y.shape, strict=True)])


def _blended(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta * input + alpha * product; nothing of the input, not even nan, for beta 0. Of integers with integer factors."""
    if product.dtype.category < dtypes.FLOAT and input.dtype.category < dtypes.FLOAT:
        beta, alpha = int(beta), int(alpha)
    product = product if _is_one(alpha) else product * alpha
    if isinstance(beta, int | float) and beta == 0:
        return where(full((), True), product, input)
    return (input if _is_one(beta) else input * beta) + product


def _is_one(factor: Any) -> bool:
    return isinstance(factor, int | float) and factor == 1


def _expect_rank(who: str, rank: int, *tensors: Tensor) -> None:
    for i, x in enumerate(tensors):
        if x.ndim != rank:
            raise RuntimeError(f"{who}: argument {i}: expected {rank} dimensions, got shape {list(x.shape)}")
