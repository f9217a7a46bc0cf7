"""Sampling at places that are computed: affine grids and grid_sample (Jaderberg et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from lampion import dtypes
from lampion.nn.functional.resize import _inner, _outer
from lampion.ops.arithmetic import abs, clamp, floor
from lampion.ops.arithmetic import round as nearest
from lampion.ops.comparison import where
from lampion.ops.create import arange, ones
from lampion.ops.matmul import matmul
from lampion.ops.promote import as_tensor
from lampion.ops.shape import meshgrid, stack
from lampion.symbolic import Size, may_agree
from lampion.tensor import Tensor

MODES = ("bilinear", "nearest", "bicubic")
EDGES = ("zeros", "border", "reflection")


def affine_grid(theta: Tensor, size: Sequence[Size], align_corners: bool | None = None) -> Tensor:
    """The places [n, *sizes, rank] that affine maps theta [n, rank, rank + 1] give; `size` is [n, c, *sizes].

    Places are x, y(, z) within [-1, 1], which stand for the outer edges of the corner elements, or with
    `align_corners` for their centres. Raises RuntimeError for shapes that don't fit.
    """
    rank = len(size) - 2
    if rank not in (2, 3) or not may_agree(theta.shape, (size[0], rank, rank + 1)):
        raise RuntimeError(
            f"affine_grid: expected theta [n, 2, 3] with size [n, c, h, w], or [n, 3, 4] with [n, c, d, h, w], "
            f"got {list(theta.shape)} and {list(size)}"
        )
    axes = [_line(n, bool(align_corners), theta.dtype) for n in size[2:]]
    points = stack([*meshgrid(*axes)[::-1], ones(*size[2:], dtype=theta.dtype)], -1)
    out = matmul(points.reshape(1, -1, rank + 1), theta.transpose(1, 2))
    return out.reshape(theta.shape[0], *size[2:], rank)


def _line(n: Size, align_corners: bool, kind: dtypes.dtype) -> Tensor:
    """n places from -1 to 1."""
    steps, count = arange(n).to(kind), as_tensor(n, kind)
    if align_corners:
        return steps * 2 / clamp(count - 1, min=1) - where(count == 1, 0.0, 1.0)
    return (steps * 2 + 1) / count - 1


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """input [n, c, h, w] at the places grid [n, h', w', 2]: [n, c, h', w']; or with one more spatial dim.

    Places are as `affine_grid` gives them. Outside the image there are zeros, its border, or its reflection. Raises
    RuntimeError for shapes that don't fit, ValueError for other modes.
    """
    rank = input.ndim - 2
    if rank not in (2, 3) or not may_agree(grid.shape, (input.shape[0], *grid.shape[1:-1], rank)):
        raise RuntimeError(
            f"grid_sample: expected input [n, c, h, w] and grid [n, h', w', 2], or both with one more spatial dim, "
            f"got {list(input.shape)} and {list(grid.shape)}"
        )
    if mode not in MODES or padding_mode not in EDGES or (mode == "bicubic" and rank == 3):
        raise ValueError(
            f"grid_sample: expected mode {MODES} (bicubic for images only) and padding_mode {EDGES}, "
            f"got {mode!r} and {padding_mode!r}"
        )
    sizes, aligned = input.shape[2:], bool(align_corners)
    places = [_unnormalized(grid[..., rank - 1 - d], n, aligned) for d, n in enumerate(sizes)]
    if mode == "bicubic":
        return _bicubic(input, places, padding_mode, aligned)
    places = [_within(p, n, padding_mode, aligned) for p, n in zip(places, sizes, strict=True)]
    if mode == "nearest":
        return _at(input, [nearest(p) for p in places])
    return _linear(input, places)


def _unnormalized(place: Tensor, n: Size, align_corners: bool) -> Tensor:
    size = as_tensor(n, place.dtype)
    return (place + 1) / 2 * (size - 1) if align_corners else ((place + 1) * size - 1) / 2


def _within(place: Tensor, n: Size, edge: str, align_corners: bool) -> Tensor:
    if edge == "zeros":
        return place
    if edge == "reflection":
        place = _reflected(place, n, align_corners)
    return place.maximum(as_tensor(0, place.dtype)).minimum(as_tensor(n - 1, place.dtype))


def _reflected(place: Tensor, n: Size, align_corners: bool) -> Tensor:
    """Folded back at the corner elements' centres, or at their outer edges."""
    low = 0.0 if align_corners else -0.5
    span = as_tensor(n - 1 if align_corners else n, place.dtype)
    away = abs(place - low)
    safe = where(span == 0, 1.0, span)
    turns = floor(away / safe).detach()
    rest = away - turns * safe
    folded = where(turns % 2 == 0, rest, safe - rest) + low
    return where(span == 0, 0.0, folded)


def _linear(input: Tensor, places: list[Tensor]) -> Tensor:
    """The elements around each place, weighted by how near they are."""
    bases = [floor(p).detach() for p in places]
    total: Any = 0
    for corner in product((0, 1), repeat=len(places)):
        weight: Any = 1
        for side, place, base in zip(corner, places, bases, strict=True):
            weight = weight * (place - base if side else base + 1 - place)
        total = total + _at(input, [b + s for b, s in zip(bases, corner, strict=True)]) * weight.unsqueeze(1)
    return total


def _bicubic(input: Tensor, places: list[Tensor], edge: str, align_corners: bool) -> Tensor:
    bases = [floor(p).detach() for p in places]
    weights = [_cubic_weights(p - b) for p, b in zip(places, bases, strict=True)]
    total: Any = 0
    for i, j in product(range(4), repeat=2):
        found = [b + k - 1 for b, k in zip(bases, (i, j), strict=True)]
        found = [_within(p, n, edge, align_corners) for p, n in zip(found, input.shape[2:], strict=True)]
        total = total + _at(input, found) * (weights[0][i] * weights[1][j]).unsqueeze(1)
    return total


def _cubic_weights(t: Tensor) -> list[Any]:
    return [_outer(t + 1), _inner(t), _inner(1 - t), _outer(2 - t)]


def _at(input: Tensor, places: list[Tensor]) -> Tensor:
    """[n, c, *out]: the elements at whole-numbered places [n, *out]; 0 outside."""
    sizes = input.shape[2:]
    flat: Any = 0
    inside: Any = None
    for place, n in zip(places, sizes, strict=True):
        last = as_tensor(n - 1, place.dtype)
        here = (place >= 0) & (place <= last)
        inside = here if inside is None else inside & here
        flat = flat * n + where(here, place, 0.0).to(dtypes.int64)
    shape = (input.shape[0], input.shape[1], *flat.shape[1:])
    index = flat.unsqueeze(1).expand(shape)
    taken = input.flatten(2).gather(2, index.flatten(2)).reshape(shape)
    return taken * inside.unsqueeze(1).to(input.dtype)


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sample` with modes as numbers, in the order of MODES and EDGES."""
    return grid_sample(input, grid, MODES[interpolation_mode], EDGES[padding_mode], align_corners)


def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` of images."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` of volumes."""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)
