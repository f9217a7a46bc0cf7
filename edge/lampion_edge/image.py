"""Photo to array, as the card says. Pillow is imported when a photo is opened, not before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import Preprocessing
from lampion_edge.errors import ImageError
from lampion_edge.geometry import fit, upright
from lampion_edge.golden import Array
from lampion_edge.image_file import draft, one_sentence, opened, orientation, pillow
from lampion_edge.image_modes import flat

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
Photo = str | Path | bytes | bytearray | memoryview | Array


def decode(photo: Photo, preprocessing: Preprocessing, *, max_pixels: int = MAX_PIXELS) -> Array:
    """A photo as uint8 [height, width, channel], upright, resized and cropped as the card says.

    The photo is a path, the bytes of an image file, or uint8 [height, width] or [height, width, 1, 3 or 4].
    Transparency is laid over the card's background; of an animation the first frame counts. The size is read from
    the file's header and checked before a pixel is decoded. Raises ImageError.
    """
    if isinstance(photo, np.ndarray):
        return _from_array(photo, preprocessing, max_pixels)
    if not isinstance(photo, (str, Path, bytes, bytearray, memoryview)):
        raise ImageError(f"photo: expected a path, bytes or a uint8 array, got {type(photo).__name__}")
    name = str(photo) if isinstance(photo, (str, Path)) else "photo"
    with opened(photo, name, max_pixels) as image, one_sentence(name, image.format or "image"):
        draft(image, preprocessing)
        image.load()
        turn = orientation(image) if preprocessing.orientation == "exif" else 1
        return _array(image, preprocessing, max_pixels, turn)


def _array(image: Image, preprocessing: Preprocessing, max_pixels: int, turn: int) -> Array:
    image = upright(flat(image, preprocessing), turn)
    array = np.array(fit(image, preprocessing, max_pixels))
    return array.reshape(*array.shape[:2], -1)


def _from_array(array: Array, preprocessing: Preprocessing, max_pixels: int) -> Array:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))):
        expected = "uint8 [height, width] or [height, width, 1, 3 or 4]"
        raise ImageError(f"photo: expected {expected}, got {array.dtype} {list(array.shape)}")
    if not array.size:
        raise ImageError(f"photo: expected pixels, got an empty array {list(array.shape)}")
    if array.ndim == 2:
        array = array[:, :, None]
    if _is_ready(array, preprocessing):
        return np.array(array)
    squeezed = array[:, :, 0] if array.shape[2] == 1 else array
    with one_sentence("photo"):
        return _array(pillow("Image").fromarray(np.ascontiguousarray(squeezed)), preprocessing, max_pixels, 1)


def _is_ready(array: Array, preprocessing: Preprocessing) -> bool:
    """Whether the array is what decoding would give anyway; then not even Pillow is needed."""
    size, resize, crop = array.shape[:2], preprocessing.resize, preprocessing.crop
    resized = resize is None or (min(size) == resize.size[0] if resize.rule == "shorter" else size == resize.size)
    return resized and crop in (None, size) and array.shape[2] == (3 if preprocessing.color == "RGB" else 1)
