"""Orientation, resize and crop of a decoded image, by the card's rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import Preprocessing, Resize
from lampion_edge.colours import grey
from lampion_edge.errors import ImageError
from lampion_edge.golden import Array
from lampion_edge.pillow import pillow
from lampion_edge.resampling import as_array, resized, size_of

if TYPE_CHECKING:
    from lampion_edge.resampling import Pixels

# Orientations whose rows, and whose columns, run backwards once those of 5 to 8 were swapped.
_MIRRORED, _UPSIDE_DOWN = (2, 3, 6, 7), (3, 4, 7, 8)
# What Pillow calls the way back from each.
_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")


@dataclass(frozen=True)
class Draft:
    """A photo that was scaled down while it was decoded, and turned upright since.

    `size` is the (height, width) that it would have otherwise, `box` where it lies in the array (left, top, right,
    bottom): the last pixels of a row and a column may belong to it in part only.
    """

    size: tuple[int, int]
    box: tuple[float, float, float, float]

    @staticmethod
    def of(height: int, width: int, by: int, orientation: int) -> Draft:
        """A photo of this height and width in the file, both divided by `by`."""
        if orientation >= 5:
            height, width = width, height
        left = -width % by / by if orientation in _MIRRORED else 0.0
        top = -height % by / by if orientation in _UPSIDE_DOWN else 0.0
        return Draft((height, width), (left, top, left + width / by, top + height / by))

    def middle(self, size: tuple[int, int], crop: tuple[int, int]) -> tuple[float, float, float, float]:
        """Where the middle of `crop` pixels lies, if the whole is resized to `size`."""
        left, top, right, bottom = self.box
        across, down = (right - left) / size[1], (bottom - top) / size[0]
        left, top = left + across * round((size[1] - crop[1]) / 2), top + down * round((size[0] - crop[0]) / 2)
        return left, top, left + across * crop[1], top + down * crop[0]


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """The photo turned and mirrored so that EXIF orientation 1 to 8 is undone."""
    if orientation == 1:
        return pixels
    if not isinstance(pixels, np.ndarray):
        return pixels.transpose(pillow("Image").Transpose[_TURNS[orientation - 2]])
    array = pixels
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    rows = -1 if orientation in _UPSIDE_DOWN else 1
    columns = -1 if orientation in _MIRRORED else 1
    return array[::rows, ::columns]


def fit(pixels: Pixels, preprocessing: Preprocessing, max_pixels: int, draft: Draft | None = None) -> Array:
    """uint8 [height, width, channel]: the photo resized, then cropped, as the card says.

    What a `draft` loses in the crop isn't even resized. Raises ImageError for more than `max_pixels`.
    """
    if preprocessing.resize is not None:
        pixels = _resized(pixels, preprocessing, preprocessing.resize, max_pixels, draft)
    array = as_array(pixels)
    if preprocessing.crop is not None:
        array = _centred(array, preprocessing.crop, preprocessing.background)
    return array


def _resized(
    pixels: Pixels, preprocessing: Preprocessing, resize: Resize, max_pixels: int, draft: Draft | None
) -> Pixels:
    have_height, have_width = draft.size if draft else size_of(pixels)
    height, width = _target(have_height, have_width, resize)
    if height * width > max_pixels:
        raise ImageError(
            f"photo: {have_width} x {have_height} pixels are too long and narrow: "
            f"resized it would be {width} x {height}, at most {max_pixels:,} pixels are allowed"
        )
    if draft:
        crop = preprocessing.crop
        inside = crop is not None and resize.rule != "contain" and crop[0] <= height and crop[1] <= width
        size = crop if crop and inside else (height, width)
        pixels = resized(pixels, *size, resize.interpolation, draft.middle((height, width), size))
    elif (height, width) != (have_height, have_width):
        pixels = resized(pixels, height, width, resize.interpolation)
    return _centred(as_array(pixels), resize.size, preprocessing.background) if resize.rule == "contain" else pixels


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
