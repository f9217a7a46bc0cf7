"""Pooling in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from lampion.ops.conv import Many
from lampion.ops.pool import adaptive_avg_pool, avg_pool, max_pool
from lampion.tensor import Tensor

# ---- windows --------------------------------------------------------------------------------------------------------


def max_pool1d(
    input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0, dilation: Many = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of [n, c, length]; with `return_indices` also its flat place."""
    return max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0, dilation: Many = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of [n, c, height, width]; with `return_indices` also its flat place."""
    return max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0, dilation: Many = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of [n, c, depth, height, width]; with `return_indices` also its flat place."""
    return max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window of [n, c, length]."""
    return avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of [n, c, height, width]."""
    return avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor, kernel_size: Many, stride: Many | None = None, padding: Many = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of [n, c, depth, height, width]."""
    return avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# ---- to a given size ------------------------------------------------------------------------------------------------


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows chosen so that [n, c, length] gets `output_size`."""
    return adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows chosen so that [n, c, height, width] gets `output_size`."""
    return adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows chosen so that [n, c, depth, height, width] gets `output_size`."""
    return adaptive_avg_pool(3, input, output_size)
