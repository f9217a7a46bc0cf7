"""Other sizes for images, lines and volumes: one dim after the other, by weights that depend on sizes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from lampion import dtypes
from lampion.ops.arithmetic import clamp, floor
from lampion.ops.arithmetic import minimum as smaller
from lampion.ops.create import arange
from lampion.ops.matmul import matmul
from lampion.ops.pool import adaptive_avg_pool
from lampion.ops.promote import as_tensor
from lampion.symbolic import Size, SymInt, maximum
from lampion.tensor import Tensor

LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
MODES = ("nearest", "nearest-exact", "area", *LINEAR, "bicubic")


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """[n, c, *sizes] at another size: to `size`, or by `scale_factor`, one number or one a spatial dim.

    `mode` is "nearest", "nearest-exact", "area", "linear" (3 dims), "bilinear" or "bicubic" (4), or "trilinear" (5).
    `align_corners` maps the centres of the corner elements onto each other instead of their outer edges; `antialias`
    (bilinear and bicubic) widens the filter where the image shrinks. Raises ValueError for settings that don't fit.
    """
    _check(input, mode, align_corners, antialias)
    rank = input.ndim - 2
    sizes = input.shape[2:]
    target, scales = _target(sizes, size, scale_factor, rank)
    if recompute_scale_factor:
        scales = [None] * rank
    if mode == "area":
        return adaptive_avg_pool(rank, input, target)
    kind = input.dtype
    whole = kind.category < dtypes.FLOAT and not mode.startswith("nearest")
    x = input.float() if whole else input
    for i, (n, m, scale) in enumerate(zip(sizes, target, scales, strict=True)):
        x = _resized(x, i + 2, n, m, scale, mode, bool(align_corners), antialias)
    return x.round().clamp(*_limits(kind)).to(kind) if whole else x


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """`interpolate` under its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by the nearest element."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by lines between the nearest elements, with aligned corners."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def _check(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in MODES:
        raise ValueError(f"interpolate: expected mode {', '.join(map(repr, MODES))}, got {mode!r}")
    wanted = 2 if mode == "bicubic" else LINEAR.get(mode)
    if input.ndim - 2 not in ((wanted,) if wanted else (1, 2, 3)):
        dims = f"{wanted + 2}" if wanted else "3 to 5"
        raise ValueError(
            f"interpolate: mode {mode!r} expects input of {dims} dimensions, got shape {list(input.shape)}"
        )
    if align_corners is not None and not wanted:
        raise ValueError(f"interpolate: align_corners has no meaning for mode {mode!r}; leave it away")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: antialias works with modes 'bilinear' and 'bicubic', not {mode!r}")


def _target(sizes: Sequence[Size], size: Any, scale_factor: Any, rank: int) -> tuple[list[Any], list[Any]]:
    """The sizes to come, and the scales that were given."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: expected either size or scale_factor")
    given = size if size is not None else scale_factor
    many = list(given) if isinstance(given, list | tuple) else [given] * rank
    if len(many) != rank:
        raise ValueError(f"interpolate: expected {rank} numbers, one a spatial dim, got {given}")
    if size is not None:
        return many, [None] * rank
    return [_scaled(n, s) for n, s in zip(sizes, many, strict=True)], [float(s) for s in many]


def _scaled(n: Size, scale: float) -> Size:
    if isinstance(n, SymInt):
        share = Fraction(scale).limit_denominator(1000)
        return n * share.numerator // share.denominator
    return math.floor(n * scale)


def _limits(kind: dtypes.dtype) -> tuple[int, int]:
    info = np.iinfo(kind.numpy)
    return int(info.min), int(info.max)


# ---- one dim --------------------------------------------------------------------------------------------------------


def _resized(
    x: Tensor, dim: int, n: Size, m: Size, scale: float | None, mode: str, align_corners: bool, antialias: bool
) -> Tensor:
    if mode.startswith("nearest"):
        return x.index_select(dim, _nearest(n, m, scale, 0.5 if mode == "nearest-exact" else 0.0))
    if antialias:
        ratio = _ratio(n, m, scale, align_corners)
        return _along(x, dim, _filters(n, m, ratio, mode == "bicubic").astype(x.dtype.numpy))
    place = _places(n, m, scale, align_corners, x.dtype)
    if mode == "bicubic":
        return _cubic(x, dim, n, place)
    return _linear(x, dim, n, place)


def _ratio(n: Size, m: Size, scale: float | None, align_corners: bool = False) -> Any:
    """Elements of the input for one of the output: a number, or a Tensor where sizes vary."""
    if align_corners:
        return _quotient(n - 1, maximum(m - 1, 1))
    return 1 / scale if scale else _quotient(n, m)


def _quotient(a: Size, b: Size) -> Any:
    if isinstance(a, SymInt) or isinstance(b, SymInt):
        return as_tensor(a).double() / as_tensor(b).double()
    return a / b if b else 0.0


def _nearest(n: Size, m: Size, scale: float | None, shift: float) -> Tensor:
    """floor((i + shift) n / m), in float32 as PyTorch computes it."""
    places = (arange(m).float() + shift) * as_tensor(_ratio(n, m, scale), dtypes.float32)
    return smaller(floor(places).to(dtypes.int64), as_tensor(n - 1))


def _places(n: Size, m: Size, scale: float | None, align_corners: bool, kind: dtypes.dtype) -> Tensor:
    """Where each element of the output falls, in elements of the input."""
    steps, wide = arange(m), dtypes.float64 if kind is dtypes.float64 else dtypes.float32
    ratio = as_tensor(_ratio(n, m, scale, align_corners), wide)
    return steps.to(wide) * ratio if align_corners else (steps.to(wide) + 0.5) * ratio - 0.5


def _linear(x: Tensor, dim: int, n: Size, place: Tensor) -> Tensor:
    place = clamp(place, min=0)
    low = smaller(floor(place).to(dtypes.int64), as_tensor(n - 1))
    high = smaller(low + 1, as_tensor(n - 1))
    share = _beside(clamp(place - low, 0, 1).to(x.dtype), x, dim)
    return x.index_select(dim, low) * (1 - share) + x.index_select(dim, high) * share


def _cubic(x: Tensor, dim: int, n: Size, place: Tensor) -> Tensor:
    base = floor(place)
    t = place - base
    far, near = 1 + t, 1 - t
    weights = [_outer(far), _inner(t), _inner(near), _outer(1 + near)]
    total: Any = 0
    for offset, weight in enumerate(weights, -1):
        index = smaller(clamp((base + offset).to(dtypes.int64), min=0), as_tensor(n - 1))
        total = total + x.index_select(dim, index) * _beside(weight.to(x.dtype), x, dim)
    return total


def _inner(t: Any, a: float = -0.75) -> Any:
    """Keys's cubic convolution kernel (1981) for |t| <= 1."""
    return ((a + 2) * t - (a + 3)) * t * t + 1


def _outer(t: Any, a: float = -0.75) -> Any:
    """Keys's cubic convolution kernel (1981) for 1 < |t| < 2."""
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a


def _beside(weights: Tensor, x: Tensor, dim: int) -> Tensor:
    return weights.reshape(-1, *[1] * (x.ndim - dim - 1))


# ---- antialiased ----------------------------------------------------------------------------------------------------


def _filters(n: Size, m: Size, ratio: Any, cubic: bool) -> Any:
    """float64 [m, n]: the share of every input element in every output element, as Pillow resizes."""
    if isinstance(n, SymInt) or isinstance(m, SymInt):
        raise ValueError("interpolate: antialias needs known sizes; leave these axes out of `dynamic`")
    reach = (2.0 if cubic else 1.0) * max(ratio, 1.0)
    shares = np.zeros((m, n))
    for i in range(m):
        centre = ratio * (i + 0.5)
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), n)
        distance = np.abs((np.arange(first, last) - centre + 0.5) / max(ratio, 1.0))
        weights = _kernel(distance, cubic)
        shares[i, first:last] = weights / weights.sum()
    return shares


def _kernel(distance: Any, cubic: bool) -> Any:
    if not cubic:
        return np.maximum(1 - distance, 0)
    inner, outer = _inner(distance, -0.5), _outer(distance, -0.5)
    return np.where(distance < 1, inner, np.where(distance < 2, outer, 0))


def _along(x: Tensor, dim: int, shares: Any) -> Tensor:
    return matmul(x.transpose(dim, -1), as_tensor(shares.T)).transpose(dim, -1)
