"""Every colour mode a file may have, brought to the one the card asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import Preprocessing
from lampion_edge.image_file import pillow

if TYPE_CHECKING:
    from PIL.Image import Image


def flat(image: Image, preprocessing: Preprocessing) -> Image:
    """The image in mode RGB or L, with 8 bits and without transparency."""
    image = _eight_bits(image)
    if image.has_transparency_data:
        canvas = pillow("Image").new("RGBA", image.size, (*preprocessing.background, 255))
        canvas.alpha_composite(image.convert("RGBA"))
        image = canvas
    return image if image.mode == preprocessing.color else image.convert(preprocessing.color)


def _eight_bits(image: Image) -> Image:
    """Pillow cuts 16-bit greys off at 255, which turns a photo white; they are scaled instead."""
    if not image.mode.startswith("I"):
        return image
    # I;16 in its byte orders, or 32-bit I, as which some 16-bit files open.
    grey = (np.clip(np.asarray(image), 0, 65535).astype(np.uint32) + 128) // 257
    narrow: Image = pillow("Image").fromarray(grey.astype(np.uint8))
    return narrow
