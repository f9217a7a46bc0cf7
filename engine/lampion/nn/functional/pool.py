"""Pooling in one, two and three dimensions, and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lampion.ops.conv import Many
from lampion.ops.pool import adaptive_avg_pool, avg_pool, many_or_none, max_pool
from lampion.ops.shape import cat, flip, pad_constant
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


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Largest elements of windows chosen so that [n, c, length] gets `output_size`."""
    return adaptive_max_pool(1, input, output_size)


def adaptive_max_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Largest elements of windows chosen so that [n, c, height, width] gets `output_size`."""
    return adaptive_max_pool(2, input, output_size)


def adaptive_max_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Largest elements of windows chosen so that [n, c, depth, height, width] gets `output_size`."""
    return adaptive_max_pool(3, input, output_size)


def adaptive_max_pool(rank: int, input: Tensor, output_size: Any) -> Tensor:
    """Largest elements of windows that run from floor(i n / out) to ceil((i + 1) n / out), in `rank` spatial dims."""
    target = many_or_none(output_size, input.shape[-rank:])
    if set(target) == {1}:
        flat = input.flatten(-rank).max(-1).values
        return flat.reshape(*flat.shape, *[1] * rank)
    for i, (n, size) in enumerate(zip(target, input.shape[-rank:], strict=True)):
        input = _adapted_max(input, input.ndim - rank + i, n, size)
    return input


def _adapted_max(x: Tensor, dim: int, n: int, size: int) -> Tensor:
    ends = [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]
    return cat([x.narrow(dim, a, b - a).max(dim, keepdim=True).values for a, b in ends], dim)


# ---- padding --------------------------------------------------------------------------------------------------------


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Elements around the last dims: `pad` is (before, after) of the last dim, then of the one before it, and so on.

    They are `value` (mode "constant"), the mirror image ("reflect"), the edge ("replicate") or the other end
    ("circular"). Raises ValueError for another mode, RuntimeError where there are too few elements to mirror or repeat.
    """
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(f"pad: expected pairs for at most {input.ndim} dims, got {list(pad)}")
    if mode == "constant":
        return pad_constant(input, pad, 0 if value is None else value)
    if mode not in _EDGES:
        raise ValueError(f"pad: expected mode 'constant', {', '.join(map(repr, _EDGES))}, got {mode!r}")
    for i, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        if before or after:
            input = _extended(input, input.ndim - 1 - i, before, after, mode)
    return input


def _extended(x: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    size, kept = x.shape[dim], mode == "reflect"
    if isinstance(size, int) and mode != "replicate" and max(before, after) > size - kept:
        raise RuntimeError(f"pad: {mode} padding ({before}, {after}) is too large for size {size} along dim {dim}")
    if min(before, after) < 0:
        raise RuntimeError(f"pad: expected padding of at least 0 for mode {mode!r}, got ({before}, {after})")
    front, back = _EDGES[mode](x, dim, size, before, after)
    return cat([piece for piece, n in ((front, before), (x, 1), (back, after)) if n], dim)


def _mirror(x: Tensor, dim: int, size: Any, before: int, after: int) -> tuple[Tensor, Tensor]:
    return flip(x.narrow(dim, 1, before), dim), flip(x.narrow(dim, size - 1 - after, after), dim)


def _edge(x: Tensor, dim: int, size: Any, before: int, after: int) -> tuple[Tensor, Tensor]:
    def repeated(start: Any, times: int) -> Tensor:
        shape = list(x.shape)
        shape[dim] = times
        return x.narrow(dim, start, 1).expand(shape)

    return repeated(0, before), repeated(size - 1, after)


def _other_end(x: Tensor, dim: int, size: Any, before: int, after: int) -> tuple[Tensor, Tensor]:
    return x.narrow(dim, size - before, before), x.narrow(dim, 0, after)


_EDGES = {"reflect": _mirror, "replicate": _edge, "circular": _other_end}
