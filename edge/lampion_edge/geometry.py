"""Orientation, resize and crop of a decoded image, by the card's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lampion_edge.card import Preprocessing, Resize
from lampion_edge.errors import ImageError
from lampion_edge.image_file import pillow

if TYPE_CHECKING:
    from PIL.Image import Image

# EXIF orientation to the turn that undoes it.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
# A photo more than this many times too large is first averaged over whole blocks, which is cheap, down to this.
_REDUCING_GAP = 3.0


def upright(image: Image, orientation: int) -> Image:
    """The image turned and mirrored so that EXIF orientation 1 to 8 is undone."""
    if orientation == 1:
        return image
    return image.transpose(pillow("Image").Transpose[_TURNS[orientation]])


def fit(image: Image, preprocessing: Preprocessing, max_pixels: int) -> Image:
    """The image resized, then cropped, as the card says. Raises ImageError if that would exceed `max_pixels`."""
    if preprocessing.resize is not None:
        image = _resized(image, preprocessing.resize, preprocessing.background, max_pixels)
    if preprocessing.crop is not None:
        image = _centred(image, preprocessing.crop, preprocessing.background)
    return image


def _resized(image: Image, resize: Resize, background: tuple[int, int, int], max_pixels: int) -> Image:
    height, width = _target(image.height, image.width, resize)
    if height * width > max_pixels:
        raise ImageError(
            f"photo: {image.width} x {image.height} pixels are too long and narrow: "
            f"resized it would be {width} x {height}, at most {max_pixels:,} pixels are allowed"
        )
    if (width, height) != image.size:
        interpolation = pillow("Image").Resampling[resize.interpolation.upper()]
        image = image.resize((width, height), interpolation, reducing_gap=_REDUCING_GAP)
    return _centred(image, resize.size, background) if resize.rule == "contain" else image


def _target(height: int, width: int, resize: Resize) -> tuple[int, int]:
    """The (height, width) an image is scaled to."""
    if resize.rule == "stretch":
        return resize.size
    if resize.rule == "shorter":  # the longer side is cut to an int, not rounded, as torchvision does
        side, shorter = resize.size[0], min(height, width)
        return (side, side * width // shorter) if height <= width else (side * height // shorter, side)
    scale = min(resize.size[0] / height, resize.size[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _centred(image: Image, size: tuple[int, int], background: tuple[int, int, int]) -> Image:
    """The middle of the image at (height, width) `size`; what lies outside the image is background."""
    height, width = size
    if (width, height) == image.size:
        return image
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    if left >= 0 and top >= 0 and width <= image.width and height <= image.height:
        return image.crop((left, top, left + width, top + height))
    module = pillow("Image")
    canvas: Image = module.new("RGB", (width, height), background).convert(image.mode)
    canvas.paste(image, (-left, -top))
    return canvas
