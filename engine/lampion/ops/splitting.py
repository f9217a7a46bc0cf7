"""Tensors in pieces, and turned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lampion.ops.dims import axis
from lampion.ops.shape import chunk, flip, movedim, narrow, sizes, split, transpose
from lampion.symbolic import numel
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor

moveaxis, swapdims = movedim, transpose
unsafe_split, unsafe_chunk = split, chunk


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given sizes along `dim`."""
    return split(input, list(split_sizes), dim)


unsafe_split_with_sizes = split_with_sizes


def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: int | None = None
) -> tuple[Tensor, ...]:
    """As many pieces as asked for along `dim`, the first ones larger by one; or those between the given places."""
    dim = axis(dim, input.ndim, "tensor_split")
    where: Any = next(x for x in (indices_or_sections, indices, sections) if x is not None)
    where = where.tolist() if isinstance(where, Handle) else where  # type: ignore[attr-defined]
    size = input.shape[dim]
    if isinstance(where, int):
        if where < 1:
            raise RuntimeError(f"tensor_split: expected at least 1 section, got {where}")
        ends = [(i + 1) * (size // where) + min(i + 1, size % where) for i in range(where - 1)]
    else:
        ends = [slice(0, i).indices(size)[1] for i in where]
    starts = [0, *ends]
    return tuple(narrow(input, dim, a, max(b - a, 0)) for a, b in zip(starts, [*ends, size], strict=True))


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal pieces, or those between the given places, along dim 1; of vectors along their only dim."""
    return _evenly("hsplit", 1, input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal pieces, or those between the given places, along dim 0."""
    return _evenly("vsplit", 2, input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal pieces, or those between the given places, along dim 2."""
    return _evenly("dsplit", 3, input, indices_or_sections, 2)


def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The slice at `index` of `dim`, which goes away."""
    if input.ndim == 0:
        raise IndexError("select: cannot be applied to a 0-dim tensor")
    key: list[Any] = [slice(None)] * input.ndim
    key[axis(dim, input.ndim, "select")] = index
    return input[tuple(key)]


def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order. Raises RuntimeError for vectors."""
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: expected at least 2 dims, got shape {list(input.shape)}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order. Raises RuntimeError for numbers."""
    if input.ndim < 1:
        raise RuntimeError("flipud: expected at least 1 dim, got shape []")
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k right angles in the plane of two dims, from the first towards the second."""
    if len(dims) != 2 or axis(dims[0], input.ndim, "rot90") == axis(dims[1], input.ndim, "rot90"):
        raise RuntimeError(f"rot90: expected two different dims, got {list(dims)}")
    a, b = dims
    if k % 4 == 0:
        return input.clone()
    if k % 4 == 2:
        return flip(input, a, b)
    return transpose(flip(input, b), a, b) if k % 4 == 1 else transpose(flip(input, a), a, b)


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Summed over dims until the shape is `size`, to which it must broadcast back."""
    shape = sizes(size)
    extra = input.ndim - len(shape)
    fits = extra >= 0 and all(n in (1, m) for n, m in zip(shape, input.shape[extra:], strict=True))
    if not fits:
        raise RuntimeError(f"sum_to_size: size {list(shape)} is not expandable to {list(input.shape)}")
    dims = [*range(extra), *(extra + i for i, n in enumerate(shape) if n == 1 and input.shape[extra + i] != 1)]
    return input.sum(dims, keepdim=True).reshape(shape) if dims else input


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flattened tensor as indices into one of `shape`, one a dim."""
    size = (shape,) if isinstance(shape, int) else tuple(shape)
    return tuple(indices // numel(size[i + 1 :]) % n for i, n in enumerate(size))


def _evenly(who: str, ndim: int, input: Tensor, where: Any, dim: int) -> tuple[Tensor, ...]:
    if input.ndim < ndim:
        raise RuntimeError(f"{who}: expected at least {ndim} dims, got shape {list(input.shape)}")
    if isinstance(where, int) and input.shape[dim] % where:
        raise RuntimeError(f"{who}: dim {dim} of size {input.shape[dim]} can't be split into {where} equal pieces")
    return tensor_split(input, where, dim)
