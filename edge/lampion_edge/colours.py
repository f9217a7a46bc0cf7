"""Every colour mode a photo may have, brought to the one the card asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import Preprocessing
from lampion_edge.errors import ImageError
from lampion_edge.golden import Array
from lampion_edge.pillow import pillow

if TYPE_CHECKING:
    from PIL.Image import Image

# Rows of an array worked on at once: intermediate numbers are four times as large as the pixels.
_BAND = 256


def flat(array: Array, preprocessing: Preprocessing) -> Array:
    """uint8 [height, width, 1 to 4] (grey or RGB, alpha last) as uint8 [height, width, 1 or 3], without transparency.

    The numbers are those that Pillow gives.
    """
    channels = 3 if preprocessing.color == "RGB" else 1
    if array.shape[2] == channels:
        return array
    result = np.empty((*array.shape[:2], channels), np.uint8)
    for start in range(0, len(array), _BAND):
        band = array[start : start + _BAND]
        if band.shape[2] in (2, 4):
            band = _laid_over(band, np.array(preprocessing.background, np.uint32))
        if band.shape[2] == 3 and channels == 1:
            band = grey(band)
        result[start : start + _BAND] = band
    return result


def grey(colours: Array) -> Array:
    """RGB [..., 3] as luma [..., 1]: 0.299 red + 0.587 green + 0.114 blue, in 16-bit fractions."""
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    luma: Array = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
    return luma[..., None].astype(np.uint8)


def _laid_over(band: Array, background: Array) -> Array:
    """The colours in [..., 2 or 4] over the background, as RGB."""
    alpha = band[..., -1:].astype(np.uint32)
    mixed: Array = (band[..., :-1] * alpha + background * (255 - alpha) + 0x80).astype(np.uint32) << np.uint32(7)
    result: Array = ((mixed >> 8) + mixed) >> 15
    return result.astype(np.uint8)


# --- Pillow's images ---


def flat_image(image: Image, preprocessing: Preprocessing) -> Image:
    """A Pillow image of any mode in the card's, RGB or L, without transparency."""
    image = _eight_bits(image)
    if image.has_transparency_data:
        canvas = pillow("Image").new("RGBA", image.size, (*preprocessing.background, 255))
        canvas.alpha_composite(image.convert("RGBA"))
        image = canvas
    return image if image.mode == preprocessing.color else image.convert(preprocessing.color)


def _eight_bits(image: Image) -> Image:
    """Pillow cuts 16-bit greys off at 255, which turns a photo white; they are scaled instead.

    Raises ImageError for LAB, which Pillow doesn't convert.
    """
    if image.mode == "LAB":
        raise ImageError("photo: expected RGB, CMYK or grey, got LAB")
    if not image.mode.startswith("I"):
        return image
    # I;16 in its byte orders, or 32-bit I, as which some 16-bit files open.
    grey = (np.clip(np.asarray(image), 0, 65535).astype(np.uint32) + 128) // 257
    narrow: Image = pillow("Image").fromarray(grey.astype(np.uint8))
    return narrow
