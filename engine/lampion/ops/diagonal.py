"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion.ops.comparison import where
from lampion.ops.create import arange
from lampion.ops.dims import axis
from lampion.symbolic import maximum, minimum

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros above the given diagonal of the last two dims."""
    return _triangle("tril", input, lambda row, column: column - row > diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros below the given diagonal of the last two dims."""
    return _triangle("triu", input, lambda row, column: column - row < diagonal)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements [..., i, i + offset, ...] of `dim1` and `dim2`, as a last dim."""
    a, b = axis(dim1, input.ndim, "diagonal"), axis(dim2, input.ndim, "diagonal")
    if a == b:
        raise RuntimeError(f"diagonal: expected two different dims, got {dim1} and {dim2}")
    matrices = input.movedim((a, b), (-2, -1))
    rows, columns = max(-offset, 0), max(offset, 0)
    length = maximum(minimum(matrices.shape[-2] - rows, matrices.shape[-1] - columns), 0)
    along = arange(length)
    return matrices[..., along + rows, along + columns]


def diag_embed(input: Tensor, offset: int = 0) -> Tensor:
    """Matrices with the last dim on the given diagonal, zeros elsewhere."""
    size = input.shape[-1]
    side = arange(size + abs(offset))
    row, column = side.unsqueeze(1), side.unsqueeze(0)
    place = (row.minimum(column)).clamp(max=size - 1)
    return where(column - row == offset, input[..., place], 0)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the given diagonal of a matrix, or that diagonal of a matrix as a vector."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return _diagonal(input, diagonal)
    raise RuntimeError(f"diag: expected 1 or 2 dimensions, got shape {list(input.shape)}; use diagonal or diag_embed")


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, got shape {list(input.shape)}")
    return diagonal(input).sum()


_diagonal = diagonal


def _triangle(who: str, input: Tensor, drop: Any) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{who}: expected at least 2 dimensions, got shape {list(input.shape)}")
    row = arange(input.shape[-2]).unsqueeze(1)
    column = arange(input.shape[-1]).unsqueeze(0)
    return input.masked_fill(drop(row, column), 0)
