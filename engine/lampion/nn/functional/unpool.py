"""Pooling by the p-norm, and max pooling taken back."""

from __future__ import annotations

import math
from typing import Any

from lampion.ops.arithmetic import abs, relu, sign
from lampion.ops.conv import Many, many
from lampion.ops.create import zeros
from lampion.ops.pool import avg_pool, max_pool
from lampion.symbolic import numel
from lampion.tensor import Tensor

# ---- p-norm ---------------------------------------------------------------------------------------------------------


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Many, stride: Many | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of [n, c, length]."""
    return lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Many, stride: Many | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of [n, c, height, width]."""
    return lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Many, stride: Many | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of [n, c, depth, height, width]."""
    return lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool(
    rank: int, input: Tensor, norm_type: float, kernel_size: Many, stride: Many | None = None, ceil_mode: bool = False
) -> Tensor:
    """sum(x ** p) ** (1 / p) over each window, without absolute values, as PyTorch has it; an infinite p has them."""
    if math.isinf(norm_type):
        way = 1 if norm_type > 0 else -1
        largest: Tensor = max_pool(rank, abs(input) * way, kernel_size, stride, ceil_mode=ceil_mode)
        return largest * way
    mean = avg_pool(rank, input**norm_type, kernel_size, stride, ceil_mode=ceil_mode)
    count = math.prod(many(kernel_size, rank, f"lp_pool{rank}d"))
    return (sign(mean) * relu(abs(mean)) * count) ** (1.0 / norm_type)


# ---- back -----------------------------------------------------------------------------------------------------------


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """What `max_pool1d` took, at the places that it gave; zeros elsewhere."""
    return max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """What `max_pool2d` took, at the places that it gave; zeros elsewhere."""
    return max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """What `max_pool3d` took, at the places that it gave; zeros elsewhere."""
    return max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def max_unpool(
    rank: int, input: Tensor, indices: Tensor, kernel_size: Many, stride: Many | None, padding: Many, output_size: Any
) -> Tensor:
    """Zeros with `input` at the flat places `indices`. Raises ValueError for an output_size that pooling can't have had."""
    who = f"max_unpool{rank}d"
    kernel, around = many(kernel_size, rank, who), many(padding, rank, who)
    steps = kernel if stride is None or stride in ([], ()) else many(stride, rank, who)
    before = input.shape[-rank:]
    usual = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(before, steps, around, kernel, strict=True))
    size = usual if output_size is None else tuple(output_size)[-rank:]
    for n, m, s in zip(size, usual, steps, strict=True):
        if isinstance(n, int) and isinstance(m, int) and not m - s < n < m + s:
            raise ValueError(f"{who}: expected output_size within {steps} of {list(usual)}, got {list(size)}")
    lead = input.shape[:-rank]
    empty = zeros(*lead, numel(size), dtype=input.dtype)
    return empty.scatter(-1, indices.flatten(-rank), input.flatten(-rank)).reshape(*lead, *size)
