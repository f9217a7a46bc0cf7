"""A decoded photo as an array or as Pillow's image, and its resizing: by Pillow, or without it by the same arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.golden import Array
from lampion_edge.pillow import has_pillow, pillow

if TYPE_CHECKING:
    from PIL.Image import Image

    # uint8 [height, width(, channel)], or an image in RGB or L. It stays what it is: each way to the other copies twice.
    Pixels = Array | Image

# A photo more than this many times too large is first averaged over whole blocks, which is cheap, down to this.
_REDUCING_GAP = 3.0
# Pillow computes with integers: weights have 22 bits after the point, and every pass rounds to 8-bit pixels.
_BITS = 22


def size_of(pixels: Pixels) -> tuple[int, int]:
    """(height, width)."""
    return pixels.shape[:2] if isinstance(pixels, np.ndarray) else (pixels.height, pixels.width)


def as_array(pixels: Pixels) -> Array:
    """uint8 [height, width, channel]; an array as it is."""
    return pixels if isinstance(pixels, np.ndarray) else np.asarray(pixels).reshape(*size_of(pixels), -1)


def as_image(pixels: Pixels) -> Image:
    """RGB or L; an image as it is."""
    if not isinstance(pixels, np.ndarray):
        return pixels
    channels = () if pixels.shape[2:] == (1,) else pixels.shape[2:]
    image: Image = pillow("Image").fromarray(np.ascontiguousarray(pixels.reshape(pixels.shape[:2] + channels)))
    return image


def resized(
    pixels: Pixels, height: int, width: int, interpolation: str, box: tuple[float, float, float, float] | None = None
) -> Array:
    """uint8 [height, width(, channel)] at another size; shrinking is antialiased. The same bytes with and without Pillow.

    `interpolation` is "nearest", "bilinear", "bicubic" or "lanczos". A `box` (left, top, right, bottom) is the part to
    take instead of the whole; it needs Pillow.
    """
    if isinstance(pixels, np.ndarray) and box is None and not has_pillow():
        return plain(pixels, height, width, interpolation)
    filter = pillow("Image").Resampling[interpolation.upper()]
    result = as_array(as_image(pixels).resize((width, height), filter, box, _REDUCING_GAP))
    return result[..., 0] if isinstance(pixels, np.ndarray) and pixels.ndim == 2 else result


def plain(array: Array, height: int, width: int, interpolation: str) -> Array:
    """What `resize` of Pillow 13 with a reducing gap of 3 gives, bit for bit."""
    if interpolation == "nearest":
        return array[_nearest(array.shape[0], height)][:, _nearest(array.shape[1], width)]
    size, have = (height, width), array.shape[:2]
    blocks = [max(1, int(side / want / _REDUCING_GAP)) for side, want in zip(have, size, strict=True)]
    # Pillow keeps the part of the image to resize in 32-bit floats; the last block may lie across its edge.
    far = [float(np.float32(side / block)) for side, block in zip(have, blocks, strict=True)]
    array = _averaged(array, *blocks)
    lost = array.shape[0] - height, array.shape[1] - width
    for axis in (0, 1) if lost[0] > max(0, 2 * lost[1]) else (1, 0):  # Pillow before 13 had the second order only
        if array.shape[axis] != size[axis] or far[axis] != size[axis]:
            array = _resampled(array, axis, far[axis], size[axis], *FILTERS[interpolation])
    return array


def _nearest(have: int, want: int) -> Array:
    """The source of each pixel. Summed up step by step, as Pillow does it: rounding decides where halves go."""
    step = have / want
    return np.cumsum([step * 0.5] + [step] * (want - 1)).astype(np.intp).clip(0, have - 1)


def _averaged(array: Array, *blocks: int) -> Array:
    """Means of blocks of this height and width; at the far edges of what is left there."""
    counts: Array = np.ones((1, 1), np.uint32)
    total = array
    for axis, block in enumerate(blocks):
        starts = np.arange(0, array.shape[axis], block)
        total = np.add.reduceat(total, starts, axis=axis, dtype=np.uint32)
        ends = np.append(starts[1:], array.shape[axis])
        counts = counts * (ends - starts).reshape((-1, 1) if axis == 0 else (1, -1)).astype(np.uint32)
    counts = counts.reshape(counts.shape + (1,) * (array.ndim - 2))
    return ((total + counts // 2) * (np.uint32(1 << 24) // counts) >> 24).astype(np.uint8)


# --- filters ---


def _bilinear(x: Array) -> Array:
    return np.maximum(1 - np.abs(x), 0)


def _bicubic(x: Array) -> Array:
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: Array) -> Array:
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)


# Each with the distance at which it ends.
FILTERS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "bilinear": (_bilinear, 1.0),
    "bicubic": (_bicubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}


def _resampled(array: Array, axis: int, far: float, size: int, kernel: Callable[[Array], Array], reach: float) -> Array:
    """The pixels from 0 to `far` along an axis as `size` pixels: each a weighted sum of those around its centre."""
    scale = far / size
    stretch = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    first = np.maximum((centres - reach * stretch + 0.5).astype(np.intp), 0)
    last = np.minimum((centres + reach * stretch + 0.5).astype(np.intp), array.shape[axis])
    taps = first[:, None] + np.arange((last - first).max())
    weights = np.where(taps < last[:, None], kernel((taps - centres[:, None] + 0.5) * (1 / stretch)), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    fixed = np.trunc(weights * (1 << _BITS) + np.copysign(0.5, weights)).astype(np.int32)
    column = (-1,) + (1,) * (array.ndim - 1 - axis)
    total: Array = np.int32(1 << _BITS - 1)  # type: ignore[assignment]
    for tap in range(taps.shape[1]):
        taken = np.take(array, np.minimum(taps[:, tap], array.shape[axis] - 1), axis=axis)
        total = total + taken * fixed[:, tap].reshape(column)
    return (total >> _BITS).clip(0, 255).astype(np.uint8)
