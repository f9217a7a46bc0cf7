"""Putting elements at places, one or reduced with what is there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lampion import dtypes
from lampion.ops.arithmetic import floor_divide
from lampion.ops.comparison import where
from lampion.ops.create import full, full_like, ones_like, zeros_like
from lampion.ops.dims import axis
from lampion.ops.index import (
    IndexAdd,
    Put,
    Scatter,
    axis_of,
    gather,
    places_along,
    scatter_add,
    wrapped,
)
from lampion.ops.promote import Op, as_tensor, cast
from lampion.ops.shape import cat
from lampion.symbolic import Spec, broadcast_shapes, numel, same
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class ScatterReduce(Op):
    """Base: x, with source[i][j] joined to x[i][index[i][j]] for dim 1, and so for every dim."""

    join: ClassVar[np.ufunc]

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any, index: Any, source: Any) -> Any:
        out = x.copy()
        self.join.at(out, places_along(index, self.dim), source[tuple(slice(n) for n in index.shape)])
        return out

    def infer(self, x: Any, index: Any, source: Any) -> Spec:
        return Spec(x.shape, x.dtype)


class ScatterExtreme(ScatterReduce):
    """Base of the largest and the smallest: the gradient is shared evenly among equals."""

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, index: Tensor, source: Tensor) -> tuple[Any, ...]:
        source = source[tuple(slice(0, n) for n in index.shape)]
        mine = cast(x == out, g.dtype)
        theirs = cast(source == gather(out, self.dim, index), g.dtype)
        share = g / scatter_add(mine, self.dim, index, theirs)
        return mine * share, None, theirs * gather(share, self.dim, index)


class ScatterMax(ScatterExtreme):
    """The largest of all that come to a place."""

    join = np.maximum


class ScatterMin(ScatterExtreme):
    """The smallest of all that come to a place."""

    join = np.minimum


class ScatterProd(ScatterReduce):
    """The product of all that come to a place."""

    join = np.multiply

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, index: Tensor, source: Tensor) -> tuple[Any, ...]:
        """The product of all others: by division, and where a factor is the only 0, by the product without it."""
        zero = source == 0
        only = zero & (gather(scatter_add(zeros_like(g), self.dim, index, cast(zero, g.dtype)), self.dim, index) == 1)
        without = self(x, index, where(only, 1.0, source))
        others = where(
            only, gather(g * without, self.dim, index), gather(g * out, self.dim, index) / where(zero, 1.0, source)
        )
        return g * self(ones_like(x), index, source), None, others


_JOINS: dict[str, tuple[type[ScatterReduce] | None, float]] = {
    "sum": (None, 0),
    "mean": (None, 0),
    "prod": (ScatterProd, 1),
    "amax": (ScatterMax, -math.inf),
    "amin": (ScatterMin, math.inf),
}


# ---- along a dim ----------------------------------------------------------------------------------------------------


def scatter(input: Tensor, dim: int, index: Tensor, src: Any, *, reduce: str | None = None) -> Tensor:
    """`input` with `src` (a tensor or a number) put at the places that `index` names along `dim`.

    With `reduce` "add" or "multiply" it is joined with what is there.
    """
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: expected reduce 'add' or 'multiply', got {reduce!r}")
    source: Tensor = src if isinstance(src, Handle) else as_tensor(src, input.dtype).expand(index.shape)  # type: ignore[assignment]
    if reduce is not None:
        return scatter_reduce(input, dim, index, source, "sum" if reduce == "add" else "prod")
    if input.ndim == 0:
        return scatter(input.reshape(1), dim, index.reshape(-1), source.reshape(-1)).reshape(())
    dim = axis_of("scatter", input, dim, index, source)
    return Scatter(dim)(input, cast(index, dtypes.int64), source)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with what `src` brings to a place reduced there: "sum", "prod", "mean", "amax" or "amin".

    Without `include_self` what was there does not count, where something comes.
    """
    if reduce not in _JOINS:
        raise RuntimeError(f"scatter_reduce: expected reduce {', '.join(_JOINS)}, got {reduce!r}")
    if input.ndim == 0:
        flat = scatter_reduce(
            input.reshape(1), dim, index.reshape(-1), src.reshape(-1), reduce, include_self=include_self
        )
        return flat.reshape(())
    dim = axis_of("scatter_reduce", input, dim, index, src)
    index = cast(index, dtypes.int64)
    join, neutral = _JOINS[reduce]
    start = (
        input
        if include_self
        else Scatter(dim)(input, index, full_like(index, _held(neutral, input), dtype=input.dtype))
    )
    result: Tensor = join(dim)(start, index, src) if join else scatter_add(start, dim, index, src)
    return _over(result, _counts(input, dim, index, include_self)) if reduce == "mean" else result


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`scatter_reduce` of whole entries of `source` along `dim`, to those that a 1-d int `index` names."""
    if reduce == "sum" or reduce not in _JOINS:
        raise RuntimeError(f"index_reduce: expected reduce prod, mean, amax or amin, got {reduce!r}")
    if input.ndim == 0:
        return index_reduce(
            input.reshape(1), dim, index.reshape(-1), source.reshape(-1), reduce, include_self=include_self
        ).reshape(())
    dim = axis(dim, input.ndim, "index_reduce")
    places = wrapped(index, input.shape[dim]).reshape(-1, *(1,) * (input.ndim - dim - 1))
    return scatter_reduce(input, dim, places.expand(source.shape), source, reduce, include_self=include_self)


def _held(number: float, like: Tensor) -> Any:
    """A number, or for an infinite one the outermost of an integer dtype."""
    if math.isfinite(number) or like.dtype.category >= dtypes.FLOAT:
        return number
    limits = np.iinfo(like.dtype.numpy)
    return int(limits.max if number > 0 else limits.min)


def _counts(input: Tensor, dim: int, index: Tensor, include_self: bool) -> Tensor:
    start = ones_like(input) if include_self else zeros_like(input)
    return scatter_add(start, dim, index, ones_like(index, dtype=input.dtype)).clamp(min=1)


def _over(total: Tensor, count: Tensor) -> Tensor:
    return total / count if total.dtype.category >= dtypes.FLOAT else floor_divide(total, count)


# ---- in the flattened tensor ----------------------------------------------------------------------------------------


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with the elements of `source` at flat places, or added there with `accumulate`."""
    places = wrapped(index, numel(input.shape)).reshape(-1)
    new = source.reshape(-1)
    if accumulate:
        return input + IndexAdd(0, (numel(input.shape),))(new, places).reshape(input.shape)
    replaced: Tensor = Put()(input, places, new)
    return replaced


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source`, in order, where `mask` holds. Raises RuntimeError where they are too few."""
    shape = broadcast_shapes(input.shape, mask.shape)
    mask = mask.expand(shape)
    if isinstance(mask._value.data, np.ndarray) and mask._value.data.sum() > source.numel():
        raise RuntimeError(
            f"masked_scatter: expected at least {int(mask._value.data.sum())} elements in source, got {source.numel()}"
        )
    if source.numel() == 0:
        return input.expand(shape).clone()
    order = (mask.reshape(-1).cumsum(0) - 1).clamp(min=0, max=source.numel() - 1)
    return where(mask, source.reshape(-1)[order].reshape(shape), input.expand(shape))


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` rows of `nonzero`, filled up with `fill_value`: a shape that does not depend on the numbers."""
    total = numel(input.shape)
    if not input.ndim or same(total, 0):
        return full((size, input.ndim), fill_value)
    flat = (input != 0).reshape(-1)
    order = (~flat).long().argsort(0)
    first = order[: min(size, total)] if isinstance(total, int) else order[:size]
    strides = [numel(input.shape[i + 1 :]) for i in range(input.ndim)]
    rows = [(first // step % n).unsqueeze(1) for step, n in zip(strides, input.shape, strict=True)]
    table = cat(rows, 1)
    table = where(flat[first].unsqueeze(1), table, fill_value)
    return table.pad_constant((0, 0, 0, size - table.shape[0]), fill_value)
