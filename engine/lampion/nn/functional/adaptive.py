"""The largest elements of windows that are chosen to give a size: adaptive and fractional."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lampion import dtypes
from lampion.errors import UntraceableError
from lampion.ops.conv import Many, many
from lampion.ops.pool import by_windows, many_or_none
from lampion.ops.promote import as_tensor
from lampion.ops.random import rand
from lampion.ops.reduce import amax
from lampion.symbolic import SymInt
from lampion.tensor import Tensor

Array = np.ndarray[Any, Any]

# ---- adaptive -------------------------------------------------------------------------------------------------------


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows chosen so that [n, c, length] gets `output_size`."""
    return adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows chosen so that [n, c, height, width] gets `output_size`."""
    return adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows chosen so that [n, c, depth, height, width] gets `output_size`."""
    return adaptive_max_pool(3, input, output_size, return_indices)


def adaptive_max_pool(rank: int, input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows that run from floor(i n / out) to ceil((i + 1) n / out), in `rank` spatial dims.

    With `return_indices` also their places in the flattened spatial dims, int64.
    """
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"adaptive_max_pool{rank}d: expected {rank + 1} or {rank + 2} dimensions, got shape {list(input.shape)}"
        )
    sizes = input.shape[-rank:]
    target = many_or_none(output_size, sizes)
    if set(target) == {1}:
        values, places = input.flatten(-rank).max(-1)
        shape = (*values.shape, *[1] * rank)
        values, places = values.reshape(shape), places.reshape(shape)
    elif any(isinstance(n, SymInt) for n in sizes):
        if return_indices:
            raise UntraceableError(
                f"adaptive_max_pool{rank}d: places among sizes that vary, {list(sizes)}, are not known while tracing",
                "return_indices=False, or leave these axes out of `dynamic`",
            )
        for dim, (n, size) in enumerate(zip(target, sizes, strict=True), input.ndim - rank):
            input = by_windows(amax, input, dim, n, size)
        return input
    else:
        values, places = _largest(input, rank, [_windows(n, size) for n, size in zip(target, sizes, strict=True)])
    return (values, places) if return_indices else values


def _windows(n: int, size: int) -> Array:
    """int64 [n, widest]: the places that each window takes, a shorter one its last place several times."""
    starts = np.arange(n) * size // n
    ends = -(-(np.arange(n) + 1) * size // n)
    widest = int(np.max(ends - starts, initial=0))
    return np.minimum(starts[:, None] + np.arange(widest), ends[:, None] - 1)


def _largest(x: Tensor, rank: int, windows: list[Array]) -> tuple[Tensor, Tensor]:
    """Values and flat places of the largest element in windows that are the same for every channel."""
    sizes, first = x.shape[-rank:], x.ndim - rank
    for dim, window in enumerate(windows):
        x = x.index_select(first + 2 * dim, as_tensor(window.reshape(-1)))
        x = x.unflatten(first + 2 * dim, window.shape)
    outer, inner = [first + 2 * d for d in range(rank)], [first + 2 * d + 1 for d in range(rank)]
    x = x.permute(*range(first), *outer, *inner).flatten(-rank)
    values, which = x.max(-1)
    table = as_tensor(_flat_places(windows, sizes)).expand(*which.shape, -1)
    return values, table.gather(-1, which.unsqueeze(-1)).squeeze(-1)


def _flat_places(windows: list[Array], sizes: tuple[int, ...]) -> Array:
    """[..., *out, elements of a window]: the place of each element in the flattened spatial dims."""
    rank = len(windows)
    flat: Any = 0
    for dim, (window, size) in enumerate(zip(windows, sizes, strict=True)):
        lead, (n, widest) = window.shape[:-2], window.shape[-2:]
        spot = [1] * 2 * rank
        spot[dim], spot[rank + dim] = n, widest
        flat = flat * size + window.reshape(*lead, *spot)
    return np.asarray(flat, np.int64).reshape(*flat.shape[:-rank], math.prod(flat.shape[-rank:]))


# ---- fractional -----------------------------------------------------------------------------------------------------


def fractional_max_pool2d(
    input: Tensor, kernel_size: Many, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """As `fractional_max_pool2d_with_indices`; the indices only with `return_indices`."""
    found = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def fractional_max_pool3d(
    input: Tensor, kernel_size: Many, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """As `fractional_max_pool3d_with_indices`; the indices only with `return_indices`."""
    found = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size: Many, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Largest elements of windows of [n, c, height, width] at steps drawn at random, and their places (Graham 2014)."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size: Many, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Largest elements of windows of [n, c, d, h, w] at steps drawn at random, and their places (Graham 2014)."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def _fractional(
    rank: int, input: Tensor, kernel_size: Many, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    who = f"fractional_max_pool{rank}d"
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{who}: expected either output_size or output_ratio")
    if input.ndim == rank + 1:
        values, places = _fractional(rank, input.unsqueeze(0), kernel_size, output_size, output_ratio, samples)
        return values.squeeze(0), places.squeeze(0)
    kernel, sizes = many(kernel_size, rank, who), input.shape[2:]
    if output_size is None:
        ratios = (output_ratio,) * rank if isinstance(output_ratio, float) else output_ratio
        output_size = tuple(int(n * r) for n, r in zip(sizes, ratios, strict=True))
    target = many(output_size, rank, who)
    for n, k, out in zip(sizes, kernel, target, strict=True):
        if out + k - 1 > n:
            raise RuntimeError(f"{who}: output size {out} and kernel {k} are too large for an input of size {n}")
    drawn = rand(*input.shape[:2], rank, dtype=input.dtype) if samples is None else samples
    known = drawn.detach().numpy()[: input.shape[0]]
    order = (1, 0) if rank == 2 else (0, 1, 2)  # PyTorch's samples name the last dim first, in images only
    windows = [_steps(known[..., order[d]], sizes[d], target[d], kernel[d]) for d in range(rank)]
    flat = as_tensor(_flat_places(windows, sizes))
    values, which = input.flatten(2).gather(2, flat.flatten(2)).reshape(*flat.shape).max(-1)
    return values, flat.gather(-1, which.unsqueeze(-1)).squeeze(-1)


def _steps(samples: Array, size: int, out: int, kernel: int) -> Array:
    """int64 [n, c, out, kernel]: the places of every window, the last one at the end."""
    starts = np.full((*samples.shape, out), size - kernel, np.int64)
    if out > 1:
        alpha = samples.dtype.type(size - kernel) / samples.dtype.type(out - 1)
        steps = np.arange(out - 1, dtype=samples.dtype)
        shift = (samples[..., None] * alpha).astype(np.int64)
        starts[..., :-1] = ((steps + samples[..., None]) * alpha).astype(np.int64) - shift
    return starts[..., None] + np.arange(kernel, dtype=dtypes.int64.numpy)
