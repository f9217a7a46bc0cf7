"""Pillow, where it is installed; imported when a photo is opened, not before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion_edge.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from lampion_edge.golden import Array

    # uint8 [height, width(, channel)], or an image in RGB or L. It stays what it is: each way to the other copies twice.
    Pixels = Array | Image

INSTALL = "pip install 'lampion-edge[image]'"


def pillow(module: str) -> Any:
    """The module PIL.`module`. Raises ImageError when Pillow isn't installed."""
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise ImageError("this needs Pillow, which is not installed", hint=INSTALL) from error


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


def has_pillow() -> bool:
    """Whether Pillow is installed; without it PNG files are read, and nothing else."""
    try:
        pillow("Image")
    except ImageError:
        return False
    return True
