"""Other looks at the same memory: diagonals, windows, free strides; copies of such views, and writing through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.ops.create import arange
from lampion.ops.dims import axis
from lampion.ops.index import IndexAdd, Put, assign, numbered
from lampion.ops.promote import Op
from lampion.ops.shape import reshape
from lampion.symbolic import Shape, Size, Spec, maximum, minimum, numel

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Look(Op):
    """Base of views that pick places: the gradient goes back to where an element came from."""

    view = True

    def plain(self, x: Tensor) -> Tensor:
        """The same elements, picked by index: what a look becomes where sizes vary."""
        raise NotImplementedError(f"{type(self).__name__} has no plain form")

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        places = self(numbered(x))
        return (IndexAdd(0, (numel(x.shape),))(g.reshape(-1), places.reshape(-1)).reshape(x.shape),)

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        back: Tensor = Put()(base, self(numbered(base)).reshape(-1), new.reshape(-1))
        return back


class Diagonal(Look):
    """The elements [..., i, i + offset] of the last two dims."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def forward(self, x: Any) -> Any:
        down, along = max(-self.offset, 0), max(self.offset, 0)
        corner = x[..., down:, along:]
        length = min(corner.shape[-2:])
        strides = (*x.strides[:-2], x.strides[-2] + x.strides[-1])
        return np.lib.stride_tricks.as_strided(corner, (*x.shape[:-2], length), strides, writeable=x.flags.writeable)

    def infer(self, x: Any) -> Spec:
        rows, columns = x.shape[-2] - max(-self.offset, 0), x.shape[-1] - max(self.offset, 0)
        return Spec((*x.shape[:-2], maximum(minimum(rows, columns), 0)), x.dtype)

    def plain(self, x: Tensor) -> Tensor:
        along = arange(self.infer(x._value.data).shape[-1])
        return x[..., along + max(-self.offset, 0), along + max(self.offset, 0)]


class Windows(Look):
    """`size` elements from every `step`-th place along `dim`, in a new last dim."""

    def __init__(self, dim: int, size: int, step: int) -> None:
        self.dim, self.size, self.step = dim, size, step

    def forward(self, x: Any) -> Any:
        all_of_them = np.lib.stride_tricks.sliding_window_view(x, self.size, self.dim, writeable=x.flags.writeable)
        return all_of_them[(slice(None),) * self.dim + (slice(None, None, self.step),)]

    def infer(self, x: Any) -> Spec:
        count = (x.shape[self.dim] - self.size) // self.step + 1
        return Spec((*x.shape[: self.dim], count, *x.shape[self.dim + 1 :], self.size), x.dtype)

    def plain(self, x: Tensor) -> Tensor:
        count = self.infer(x._value.data).shape[self.dim]
        places = (arange(count).unsqueeze(1) * self.step + arange(self.size)).reshape(-1)
        return x.index_select(self.dim, places).unflatten(self.dim, (count, self.size)).movedim(self.dim + 1, -1)


class Strided(Look):
    """Elements at offset + sum of indices times strides, counted in row-major order."""

    def __init__(self, size: Shape, stride: tuple[int, ...], offset: int) -> None:
        self.size, self.stride, self.offset = size, stride, offset

    def forward(self, x: Any) -> Any:
        flat = np.ascontiguousarray(x).reshape(-1)[self.offset :]
        steps = [step * x.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(flat, self.size, steps, writeable=x.flags.writeable)

    def infer(self, x: Any) -> Spec:
        return Spec(self.size, x.dtype)


# ---- views ----------------------------------------------------------------------------------------------------------


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements [..., i, i + offset, ...] of `dim1` and `dim2`, as a last dim."""
    a, b = axis(dim1, input.ndim, "diagonal"), axis(dim2, input.ndim, "diagonal")
    if a == b:
        raise RuntimeError(f"diagonal: expected two different dims, got {dim1} and {dim2}")
    matrices = input.movedim((a, b), (-2, -1))
    return Diagonal(offset)(matrices)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` along a dim, one every `step`, in a new last dim. Raises RuntimeError where none fits."""
    if input.ndim == 0:
        return unfold(reshape(input, 1), dimension, size, step)[0] if size else reshape(input, 1)[:0]
    dim = axis(dimension, input.ndim, "unfold")
    length = input.shape[dim]
    if size < 0 or step < 1 or (isinstance(length, int) and size > length):
        raise RuntimeError(f"unfold: windows of size {size} every {step} do not fit dim {dimension} of size {length}")
    return Windows(dim, size, step)(input)


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Elements of a contiguous tensor's memory in any shape with any strides.

    Raises RuntimeError for a tensor that is not contiguous, or places outside of it.
    """
    shape, steps = tuple(size), tuple(stride)
    start = storage_offset or 0
    if storage_offset is not None and isinstance(input._value.data, np.ndarray):
        start -= input.storage_offset()
    reach = [start, start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))]
    total = numel(input.shape)
    if isinstance(input._value.data, np.ndarray) and not input.is_contiguous():
        raise RuntimeError("as_strided: expected a contiguous tensor; call contiguous() first")
    if 0 not in shape and not 0 <= min(reach) <= max(reach) < total:
        raise RuntimeError(
            f"as_strided: places {min(reach)} to {max(reach)} reach outside the {total} elements of the tensor"
        )
    return Strided(shape, steps, start)(input)


# ---- what a view would look at, replaced ----------------------------------------------------------------------------


def select_scatter(input: Tensor, src: Tensor, dim: int, index: Any) -> Tensor:
    """`input` with `src` in place of its slice at `index` of `dim`."""
    return _through(lambda x: x.select(dim, index), input, src, "select_scatter")


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Size | None = None, end: Size | None = None, step: int = 1
) -> Tensor:
    """`input` with `src` in place of its elements from `start` to `end` along `dim`."""
    key = (slice(None),) * axis(dim, input.ndim, "slice_scatter") + (slice(start, end, step),)
    return assign(input, key, src)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """`input` with `src` in place of its diagonal."""
    return _through(lambda x: diagonal(x, offset, dim1, dim2), input, src, "diagonal_scatter")


def as_strided_scatter(input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """`input` with `src` in place of what `as_strided` looks at."""
    return _through(lambda x: as_strided(x, size, stride, storage_offset), input, src, "as_strided_scatter")


def _through(view: Any, input: Tensor, src: Tensor, who: str) -> Tensor:
    places = view(numbered(input))
    if len(places.shape) != src.ndim or any(
        isinstance(n, int) and isinstance(m, int) and n != m for n, m in zip(places.shape, src.shape, strict=True)
    ):
        raise RuntimeError(f"{who}: expected src of shape {list(places.shape)}, got {list(src.shape)}")
    replaced: Tensor = Put()(input, places.reshape(-1), src.to(input.dtype).reshape(-1))
    return replaced
