"""Matrices from diagonals, and triangles of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion.ops.comparison import where
from lampion.ops.create import arange, zeros
from lampion.ops.dims import axis
from lampion.ops.strided import diagonal as diagonal_of
from lampion.symbolic import maximum, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros above the given diagonal of the last two dims."""
    return _triangle("tril", input, lambda row, column: column - row > diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """Zeros below the given diagonal of the last two dims."""
    return _triangle("triu", input, lambda row, column: column - row < diagonal)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices in `dim1` and `dim2` with the last dim on the given diagonal, zeros elsewhere."""
    a, b = axis(dim1, input.ndim + 1, "diag_embed"), axis(dim2, input.ndim + 1, "diag_embed")
    if a == b:
        raise RuntimeError(f"diag_embed: expected two different dims, got {dim1} and {dim2}")
    if a > b:
        return diag_embed(input, -offset, b, a)
    size = input.shape[-1]
    side = arange(size + abs(offset))
    row, column = side.unsqueeze(1), side.unsqueeze(0)
    place = (row.minimum(column)).clamp(max=maximum(size - 1, 0))
    if same(size, 0):
        return zeros((*input.shape[:-1], abs(offset), abs(offset)), dtype=input.dtype).movedim((-2, -1), (a, b))
    return where(column - row == offset, input[..., place], 0).movedim((-2, -1), (a, b))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements on the given diagonal of a matrix."""
    return diag_embed(input.reshape(-1), offset)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the given diagonal of a matrix, or that diagonal of a matrix as a vector."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return diagonal_of(input, diagonal)
    raise RuntimeError(f"diag: expected 1 or 2 dimensions, got shape {list(input.shape)}; use diagonal or diag_embed")


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, got shape {list(input.shape)}")
    return diagonal_of(input).sum()


def _triangle(who: str, input: Tensor, drop: Any) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{who}: expected at least 2 dimensions, got shape {list(input.shape)}")
    row = arange(input.shape[-2]).unsqueeze(1)
    column = arange(input.shape[-1]).unsqueeze(0)
    return input.masked_fill(drop(row, column), 0)
