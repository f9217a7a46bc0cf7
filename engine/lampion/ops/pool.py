"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.kernels.convolution import Geometry, forward, input_gradient
from lampion.ops.conv import Many, many
from lampion.ops.create import full, zeros_like
from lampion.ops.fused import Arrays, Fused, numbers
from lampion.ops.promote import Op, cast
from lampion.ops.reduce import mean
from lampion.ops.shape import cat
from lampion.symbolic import Shape, Size, Spec, maximum, minimum

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class MaxPool(Op):
    """The largest element of each window of `kernel`, and its place in the flattened spatial dims (int64)."""

    def __init__(self, kernel: tuple[int, ...], at: Geometry) -> None:
        self.kernel = kernel
        self.at = at

    def forward(self, x: Any) -> Any:
        return _largest(x, self.kernel, self.at)

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        shape = (*x.shape[:2], *self.at.output_size(x.shape[2:], self.kernel))
        return Spec(shape, x.dtype), Spec(shape, np.int64)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        return (MaxPoolInput(self.kernel, self.at)(g[0], out[1], x, out[0]),)


class MaxPoolInput(Op):
    """g [n, c, *out], the places in flattened dims that `MaxPool` chose, its input and its output -> its input's gradient.

    A runtime may find the places by themselves, as those of the first elements equal to the output.
    """

    def __init__(self, kernel: tuple[int, ...], at: Geometry) -> None:
        self.kernel = kernel
        self.at = at

    def forward(self, g: Any, places: Any, x: Any, out: Any) -> Any:
        n, channels, *size = x.shape
        rows = np.arange(n * channels).reshape(n, channels, *[1] * len(size)) * math.prod(size)
        total = np.bincount((places + rows).reshape(-1), g.reshape(-1), x.size)
        return total.reshape(x.shape).astype(g.dtype)

    def infer(self, g: Any, places: Any, x: Any, out: Any) -> Spec:
        return Spec(x.shape, g.dtype)

    def gradient(self, h: Tensor, out: Tensor, g: Tensor, places: Tensor, *_: Tensor) -> tuple[Any, ...]:
        return h.flatten(2).gather(2, places.flatten(2)).reshape(g.shape), None, None, None


class LargestOfWindows(Fused):
    """The values of `MaxPool` alone: the gradient finds the places by looking for them."""

    def __init__(self, kernel: tuple[int, ...], at: Geometry) -> None:
        self.size, self.at = kernel, at

    def plain(self, *inputs: Tensor) -> Tensor:
        values: Tensor = MaxPool(self.size, self.at)(*inputs)[0]
        return values

    def kernel(self, x: Any) -> Any:
        return _best(_elements(_grown(x, self.at), x.shape[2:], self.size, self.at))

    def kernel_gradient(self, sent: Arrays, given: Any, inputs: Any, wanted: Sequence[bool]) -> Arrays:
        [x], best, g = map(numbers, inputs), numbers(given[0]), sent[0]
        if np.isnan(best).any():
            _, places = _largest(x, self.size, self.at)
            return (MaxPoolInput(self.size, self.at).forward(g, places, x, best),)
        grown = _grown(x, self.at)
        total, open_ = np.zeros_like(grown), np.ones(best.shape, np.bool_)
        elements = [_elements(array, x.shape[2:], self.size, self.at) for array in (grown, total)]
        for element, into in zip(*elements, strict=True):
            hit = element == best
            hit &= open_  # the first of equals
            open_ ^= hit
            into += g * hit
        return (total[:, :, *[slice(p, p + n) for p, n in zip(self.at.padding, x.shape[2:], strict=True)]],)


class AvgPool(Op):
    """The mean over each window of `kernel`, padding counted as 0."""

    def __init__(self, kernel: tuple[int, ...], at: Geometry) -> None:
        self.kernel = kernel
        self.at = at

    def forward(self, x: Any) -> Any:
        return forward(x, _uniform(x, self.kernel), self.at._replace(groups=x.shape[1]))

    def infer(self, x: Any) -> Spec:
        return Spec((*x.shape[:2], *self.at.output_size(x.shape[2:], self.kernel)), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (AvgPoolInput(self.kernel, self.at, x.shape[2:])(g),)


class AvgPoolInput(Op):
    """`AvgPool` transposed: every element of a window gets an even share of the window's number added."""

    def __init__(self, kernel: tuple[int, ...], at: Geometry, size: Shape) -> None:
        self.kernel = kernel
        self.at = at
        self.size = size

    def forward(self, g: Any) -> Any:
        return input_gradient(g, _uniform(g, self.kernel), self.size, self.at._replace(groups=g.shape[1]))

    def infer(self, g: Any) -> Spec:
        return Spec((*g.shape[:2], *self.size), g.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (AvgPool(self.kernel, self.at)(g),)


# ---- functions ------------------------------------------------------------------------------------------------------


def max_pool(
    rank: int, input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0, dilation: Many = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window; with `return_indices` also its place in the flattened spatial dims."""
    who = f"max_pool{rank}d"
    low = -math.inf if input.is_floating_point() else int(np.iinfo(input.dtype.numpy).min)
    x, kernel, at = _prepared(who, rank, input, kernel_size, stride, padding, dilation, ceil_mode, low)
    if not return_indices:
        largest: Tensor = LargestOfWindows(kernel, at)(x)
        return largest.squeeze(0) if input.ndim == rank + 1 else largest
    values, indices = MaxPool(kernel, at)(x)
    if x is not input:
        indices = _renumbered(indices, x.shape[2:], input.shape[-rank:])
    if input.ndim == rank + 1:
        values, indices = values.squeeze(0), indices.squeeze(0)
    return values, indices


def _renumbered(places: Tensor, grown: Shape, size: Shape) -> Tensor:
    """Places in the flattened dims `grown` as places in the flattened `size`, which was padded behind."""
    result, stride = zeros_like(places), 1
    for n, m in zip(reversed(grown), reversed(size), strict=True):
        result = result + places % n * stride
        places, stride = places // n, stride * m
    return result


def avg_pool(
    rank: int, input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window; padding counts as 0, and among the elements unless `count_include_pad` is False."""
    who = f"avg_pool{rank}d"
    if not input.is_floating_point():
        settings = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        exact = avg_pool(rank, cast(input, dtypes.float64), *settings)
        return cast(exact.round(decimals=6).trunc(), input.dtype)
    x, kernel, at = _prepared(who, rank, input, kernel_size, stride, padding, 1, ceil_mode, 0)
    means: Tensor = AvgPool(kernel, at)(x)
    if divisor_override is not None:
        means = means * (math.prod(kernel) / divisor_override)
    elif (any(at.padding) and not count_include_pad) or (x is not input and ceil_mode):
        means = means * (math.prod(kernel) / _counts(rank, input, x, kernel, at, count_include_pad))
    return means.squeeze(0) if input.ndim == rank + 1 else means


def adaptive_avg_pool(rank: int, input: Tensor, output_size: Any) -> Tensor:
    """Means over windows chosen so that the output has `output_size`. The input's size must be a multiple of it, or
    the windows are cut unequal, from floor(i n / out) to ceil((i + 1) n / out), as PyTorch does."""
    target = many_or_none(output_size, input.shape[-rank:])
    if set(target) == {1}:
        return input.mean(list(range(input.ndim - rank, input.ndim)), keepdim=True)
    for i, (n, size) in enumerate(zip(target, input.shape[-rank:], strict=True)):
        input = _adapted(input, input.ndim - rank + i, n, size)
    return input


def by_windows(reduce: Callable[..., Tensor], x: Tensor, dim: int, n: int, size: Size) -> Tensor:
    """`reduce` over the `n` windows from floor(i size / n) to ceil((i + 1) size / n) along a dim."""
    ends = [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]
    return cat([reduce(x.narrow(dim, a, b - a), dim, keepdim=True) for a, b in ends], dim)


def many_or_none(value: Any, size: Shape) -> tuple[Any, ...]:
    """`value` per spatial dim, None meaning the input's size."""
    values = value if isinstance(value, list | tuple) else (value,) * len(size)
    return tuple(n if v is None else v for v, n in zip(values, size, strict=True))


def _adapted(x: Tensor, dim: int, n: int, size: Size) -> Tensor:
    if isinstance(size, int) and size % n == 0:
        shape = (*x.shape[:dim], n, size // n, *x.shape[dim + 1 :])
        return x.reshape(shape).mean(dim + 1)
    return by_windows(mean, x, dim, n, size)


def _prepared(
    who: str, rank: int, input: Tensor, kernel_size: Many, stride: Many | None, padding: Many, dilation: Many,
    ceil_mode: bool, fill: float,
) -> tuple[Tensor, tuple[int, ...], Geometry]:  # fmt: skip
    """The input with a batch dim and, for `ceil_mode`, with what the last windows reach beyond it."""
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{who}: expected {rank + 1} or {rank + 2} dimensions, got shape {list(input.shape)}")
    kernel = many(kernel_size, rank, who)
    at = Geometry(
        kernel if stride is None or stride in ([], ()) else many(stride, rank, who),
        many(padding, rank, who),
        many(dilation, rank, who),
    )
    for p, k in zip(at.padding, kernel, strict=True):
        if 2 * p > k:
            raise RuntimeError(f"{who}: padding {p} should be at most half of the kernel size {k}")
    x = input.unsqueeze(0) if input.ndim == rank + 1 else input
    if ceil_mode:
        x = x.pad_constant([n for extra in reversed(_beyond(x.shape[2:], kernel, at)) for n in (0, extra)], fill)
    if any(isinstance(n, int) and n < 1 for n in at.output_size(x.shape[2:], kernel)):
        raise RuntimeError(f"{who}: no window of {list(kernel)} fits the input of shape {list(input.shape)}")
    return x, kernel, at


def _beyond(size: Shape, kernel: tuple[int, ...], at: Geometry) -> list[Any]:
    """How far behind the padded input a last window reaches that starts inside the input or its left padding."""
    extra = []
    for n, k, s, p, d in zip(size, kernel, at.stride, at.padding, at.dilation, strict=True):
        reach = n + 2 * p - d * (k - 1) - 1
        windows = -(-reach // s) + 1
        windows = minimum(windows, -(-(n + p) // s))
        extra.append(maximum(0, (windows - 1) * s - reach))
    return extra


def _counts(rank: int, input: Tensor, x: Tensor, kernel: tuple[int, ...], at: Geometry, include_pad: bool) -> Tensor:
    """The number of elements in each window: those of the input, and its padding if `include_pad`."""
    inner, around = input.shape[-rank:], [n for p in reversed(at.padding) for n in (p, p)]
    ones = full((1, 1, *inner), 1, dtype=x.dtype)
    if include_pad:
        ones = ones.pad_constant(around, 1)
    grown = [n + 2 * p for n, p in zip(x.shape[2:], at.padding, strict=True)]
    missing = [n - m for n, m in zip(grown, ones.shape[2:], strict=True)]
    before = [0 if include_pad else p for p in at.padding]
    ends = [n for b, m in reversed(list(zip(before, missing, strict=True))) for n in (b, m - b)]
    means: Tensor = AvgPool(kernel, at._replace(padding=(0,) * rank))(ones.pad_constant(ends))
    return (means * math.prod(kernel)).round().clamp(min=1)


def _uniform(x: Any, kernel: tuple[int, ...]) -> Any:
    """A depthwise weight that takes the mean."""
    return np.full((x.shape[1], 1, *kernel), 1 / math.prod(kernel), x.dtype)


def _largest(x: Any, kernel: tuple[int, ...], at: Geometry) -> tuple[Any, Any]:
    """Values and flat places of the first largest (or nan) element of each window."""
    out = at.output_size(x.shape[2:], kernel)
    elements = _elements(_grown(x, at), x.shape[2:], kernel, at)
    best = _best(elements)
    has_nan = bool(np.isnan(best).any())
    which = np.zeros(best.shape, np.intp)
    for i in range(len(elements) - 1, -1, -1):
        hit = elements[i] == best
        np.copyto(which, i, where=hit | np.isnan(elements[i]) if has_nan else hit)
    return best, _flat_places(which, kernel, x.shape[2:], out, at)


def _grown(x: Any, at: Geometry) -> Any:
    """With padding that is never the largest."""
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in at.padding]], constant_values=low) if any(at.padding) else x


def _elements(grown: Any, size: tuple[int, ...], kernel: tuple[int, ...], at: Geometry) -> list[Any]:
    """For every kernel element, that element of all windows."""
    out = at.output_size(size, kernel)
    return [grown[:, :, *_every_window(offset, out, at)] for offset in np.ndindex(*kernel)]


def _best(elements: list[Any]) -> Any:
    best = elements[0].copy()
    for element in elements[1:]:
        np.maximum(best, element, out=best)
    return best


def _every_window(offset: tuple[int, ...], out: tuple[int, ...], at: Geometry) -> Any:
    """The slices that take the kernel element at `offset` of every window."""
    return tuple(
        slice(k * d, k * d + s * (n - 1) + 1, s) for k, n, s, d in zip(offset, out, at.stride, at.dilation, strict=True)
    )


def _flat_places(which: Any, kernel: tuple[int, ...], size: tuple[int, ...], out: tuple[int, ...], at: Geometry) -> Any:
    """The kernel element `which` of each window as a place in the flattened input: the window's start and the element's step.

    Only a window of nothing but -inf can choose padding; it gets the nearest place that exists.
    """
    starts, steps = np.zeros((1,) * len(out), np.int64), np.zeros((1,) * len(kernel), np.int64)
    for dim, n in enumerate(size):
        shape = [-1 if d == dim else 1 for d in range(len(size))]
        starts = starts * n + (np.arange(out[dim]) * at.stride[dim] - at.padding[dim]).reshape(shape)
        steps = steps * n + (np.arange(kernel[dim]) * at.dilation[dim]).reshape(shape)
    return np.clip(starts + steps.reshape(-1)[which], 0, math.prod(size) - 1)
