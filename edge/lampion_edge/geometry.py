"""Orientation, resize and crop of a decoded image, by the card's rules."""

from __future__ import annotations

import numpy as np

from lampion_edge.card import Preprocessing, Resize
from lampion_edge.colours import grey
from lampion_edge.errors import ImageError
from lampion_edge.golden import Array
from lampion_edge.resampling import resized


def upright(array: Array, orientation: int) -> Array:
    """The image [height, width, channel] turned and mirrored so that EXIF orientation 1 to 8 is undone."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return array[::rows, ::columns]


def fit(array: Array, preprocessing: Preprocessing, max_pixels: int) -> Array:
    """uint8 [height, width, channel] resized, then cropped, as the card says.

    Raises ImageError if that would exceed `max_pixels`.
    """
    if preprocessing.resize is not None:
        array = _resized(array, preprocessing.resize, preprocessing.background, max_pixels)
    if preprocessing.crop is not None:
        array = _centred(array, preprocessing.crop, preprocessing.background)
    return array


def _resized(array: Array, resize: Resize, background: tuple[int, int, int], max_pixels: int) -> Array:
    have_height, have_width = array.shape[:2]
    height, width = _target(have_height, have_width, resize)
    if height * width > max_pixels:
        raise ImageError(
            f"photo: {have_width} x {have_height} pixels are too long and narrow: "
            f"resized it would be {width} x {height}, at most {max_pixels:,} pixels are allowed"
        )
    if (height, width) != (have_height, have_width):
        array = resized(array, height, width, resize.interpolation)
    return _centred(array, resize.size, background) if resize.rule == "contain" else array


def _target(height: int, width: int, resize: Resize) -> tuple[int, int]:
    """The (height, width) an image is scaled to."""
    if resize.rule == "stretch":
        return resize.size
    if resize.rule == "shorter":  # the longer side is cut to an int, not rounded, as torchvision does
        side, shorter = resize.size[0], min(height, width)
        return (side, side * width // shorter) if height <= width else (side * height // shorter, side)
    scale = min(resize.size[0] / height, resize.size[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _centred(array: Array, size: tuple[int, int], background: tuple[int, int, int]) -> Array:
    """The middle of the image at (height, width) `size`; what lies outside the image is background."""
    if array.shape[:2] == size:
        return array
    offsets = [round((have - want) / 2) for have, want in zip(array.shape[:2], size, strict=True)]
    inside = [slice(max(0, start), start + want) for start, want in zip(offsets, size, strict=True)]
    middle = array[inside[0], inside[1]]
    if middle.shape[:2] == size:
        return middle
    fill = np.array(background, np.uint8)
    canvas = np.empty((*size, array.shape[2]), np.uint8)
    canvas[:] = fill if array.shape[2] == 3 else grey(fill)
    top, left = (max(0, -start) for start in offsets)
    canvas[top : top + middle.shape[0], left : left + middle.shape[1]] = middle
    return canvas
