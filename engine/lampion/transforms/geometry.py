"""Colour and size: what the runtime does while it decodes a photo, as the card says.

These work on uint8 images [..., height, width, channel] by the same Pillow calls as the runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.nn.module import Module
from lampion.ops.create import new
from lampion.tensor import Tensor
from lampion.transforms.images import on_pillow, pair, to_array

if TYPE_CHECKING:
    from PIL.Image import Image

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
# As the runtime has it: more than this many times too large, an image is first averaged over whole blocks.
_REDUCING_GAP = 3.0
WHITE = (255, 255, 255)


class Geometry(Module):
    """Base: a step of decoding; `card` gives its fragment of the card's preprocessing, `stage` its place there."""

    stage: int

    def card(self) -> dict[str, Any]:
        """What the card's preprocessing says of it."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method `card`, found none; define it")


class ToImage(Geometry):
    """A Pillow image or an array [height, width] or [height, width, channel] to a uint8 Tensor [height, width, channel]."""

    stage = 0

    def forward(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            array = image.detach().numpy()
        else:
            array = image if isinstance(image, np.ndarray) else to_array(image)
        array = array[..., None] if array.ndim == 2 else array
        if array.ndim != 3 or array.dtype != np.uint8:
            raise ValueError(
                f"ToImage: expected uint8 [height, width] or [height, width, channel], got {array.dtype} {list(array.shape)}"
            )
        return new(np.array(array), False)

    def card(self) -> dict[str, Any]:
        return {}


class Grayscale(Geometry):
    """Luma of 1 channel: 0.299 red + 0.587 green + 0.114 blue."""

    stage = 1

    def forward(self, images: Any) -> Any:
        return on_pillow("Grayscale", images, lambda image: image.convert("L"))

    def card(self) -> dict[str, Any]:
        return {"color": "L"}


class Resize(Geometry):
    """To (height, width) exactly, or, for one number, the shorter side to it with the aspect kept.

    rule="contain" fits the image inside `size` instead and fills the rest with `background`. `interpolation` is "nearest",
    "bilinear", "bicubic" or "lanczos". Shrinking is antialiased, as Pillow does it. Raises ValueError for other settings.
    """

    stage = 2

    def __init__(
        self, size: int | Sequence[int], interpolation: str = "bilinear", *, rule: str | None = None,
        background: tuple[int, int, int] = WHITE,
    ) -> None:  # fmt: skip
        super().__init__()
        one = isinstance(size, int) or len(size) == 1
        self.size, self.rule = pair("Resize", size), rule or ("shorter" if one else "stretch")
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"Resize: expected interpolation {', '.join(INTERPOLATIONS)}, got {interpolation!r}")
        if self.rule not in ("stretch", "shorter", "contain"):
            raise ValueError(f"Resize: expected rule 'stretch', 'shorter' or 'contain', got {rule!r}")
        self.interpolation, self.background = interpolation, background

    def forward(self, images: Any) -> Any:
        return on_pillow("Resize", images, self._resized)

    def card(self) -> dict[str, Any]:
        resize = {"size": list(self.size), "rule": self.rule, "interpolation": self.interpolation}
        return {"resize": resize} | ({"background": list(self.background)} if self.rule == "contain" else {})

    def _resized(self, image: Image) -> Image:
        from PIL.Image import Resampling

        height, width = self._target(image.height, image.width)
        if (width, height) != image.size:
            image = image.resize((width, height), Resampling[self.interpolation.upper()], reducing_gap=_REDUCING_GAP)
        return centred(image, self.size, self.background) if self.rule == "contain" else image

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.rule == "stretch":
            return self.size
        if self.rule == "shorter":  # the longer side is cut to an int, not rounded, as torchvision does
            side, shorter = self.size[0], min(height, width)
            return (side, side * width // shorter) if height <= width else (side * height // shorter, side)
        scale = min(self.size[0] / height, self.size[1] / width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def extra_repr(self) -> str:
        return f"{self.size}, interpolation={self.interpolation!r}, rule={self.rule!r}"


class CenterCrop(Geometry):
    """The middle of the image at `size`; what lies outside the image is `background`."""

    stage = 3

    def __init__(self, size: int | Sequence[int], *, background: tuple[int, int, int] = WHITE) -> None:
        super().__init__()
        self.size, self.background = pair("CenterCrop", size), background

    def forward(self, images: Any) -> Any:
        return on_pillow("CenterCrop", images, lambda image: centred(image, self.size, self.background))

    def card(self) -> dict[str, Any]:
        return {"crop": list(self.size), "background": list(self.background)}

    def extra_repr(self) -> str:
        return str(self.size)


def centred(image: Image, size: tuple[int, int], background: tuple[int, int, int]) -> Image:
    """The middle of the image at (height, width) `size`; what lies outside the image is background."""
    from PIL.Image import new as blank

    height, width = size
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    if left >= 0 and top >= 0 and width <= image.width and height <= image.height:
        return image.crop((left, top, left + width, top + height))
    canvas = blank("RGB", (width, height), background).convert(image.mode)
    canvas.paste(image, (-left, -top))
    return canvas
