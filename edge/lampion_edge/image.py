"""Photo to array, as the card says. Pillow does the reading and the resizing where it is installed; see `png` else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import Preprocessing
from lampion_edge.colours import flat, flat_image
from lampion_edge.errors import ImageError
from lampion_edge.geometry import Draft, fit, upright
from lampion_edge.golden import Array
from lampion_edge.image_file import File, draft, one_sentence, opened, orientation, without_pillow
from lampion_edge.pillow import has_pillow

if TYPE_CHECKING:
    from lampion_edge.resampling import Pixels

MAX_PIXELS = 100_000_000
Photo = File | Array


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
    pixels, turn, drafted = _read(photo, name, preprocessing, max_pixels)
    with one_sentence(name):
        return np.array(fit(upright(pixels, turn), preprocessing, max_pixels, drafted))


def _read(photo: File, name: str, preprocessing: Preprocessing, max_pixels: int) -> tuple[Pixels, int, Draft | None]:
    """An image file in the colours of the card, not turned yet, its orientation, and what is known of a draft."""
    turns = preprocessing.orientation == "exif"
    if not has_pillow():
        array, turn = without_pillow(photo, name, max_pixels)
        return flat(array, preprocessing), turn if turns else 1, None
    with opened(photo, name, max_pixels) as image, one_sentence(name, image.format or "image"):
        size, by = (image.height, image.width), draft(image, preprocessing)
        image.load()
        turn = orientation(image) if turns else 1
        return flat_image(image, preprocessing), turn, Draft.of(*size, by, turn) if by > 1 else None


def _from_array(array: Array, preprocessing: Preprocessing, max_pixels: int) -> Array:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))):
        expected = "uint8 [height, width] or [height, width, 1, 3 or 4]"
        raise ImageError(f"photo: expected {expected}, got {array.dtype} {list(array.shape)}")
    if not array.size:
        raise ImageError(f"photo: expected pixels, got an empty array {list(array.shape)}")
    with one_sentence("photo"):
        flattened = flat(array.reshape(*array.shape[:2], -1), preprocessing)
        return np.array(fit(flattened, preprocessing, max_pixels))
