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
    if image.mode.startswith("I"):  # I;16 in its byte orders; 16-bit files may open as 32-bit I
        grey = (np.clip(np.asarray(image), 0, 65535).astype(np.uint32) + 128) // 257
    elif image.mode == "F":
        grey = np.rint(np.clip(np.nan_to_num(np.asarray(image)), 0, 255))
    else:
        return image
    narrow: Image = pillow("Image").fromarray(grey.astype(np.uint8))
    return narrow
