"""Images as arrays: uint8 [..., height, width, channel], and to Pillow and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.ops.create import new
from lampion.tensor import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]


def on_arrays(who: str, images: Any, function: Callable[[Array], Array]) -> Any:
    """`function` of [n, height, width, channel] on an array or Tensor [..., height, width, channel], of its kind again."""
    array = images.detach().numpy() if isinstance(images, Tensor) else images
    if not isinstance(array, np.ndarray) or array.ndim < 3:
        got = list(array.shape) if isinstance(array, np.ndarray) else type(images).__name__
        raise ValueError(
            f"{who}: expected an array or Tensor [..., height, width, channel], got {got}; use ToImage first"
        )
    result = function(array.reshape(-1, *array.shape[-3:]))
    result = result.reshape(*array.shape[:-3], *result.shape[1:])
    return new(result, False) if isinstance(images, Tensor) else result


def on_pillow(who: str, images: Any, function: Callable[[Image], Image]) -> Any:
    """`function` of a Pillow image on every image of an array or Tensor. Raises ValueError for other than 1 or 3 channels."""

    def each(array: Array) -> Array:
        if array.dtype != np.uint8 or array.shape[-1] not in (1, 3):
            raise ValueError(
                f"{who}: expected uint8 images of 1 or 3 channels, got {array.dtype} {list(array.shape)}; "
                "place it before ToDtype and ToChannelsFirst"
            )
        return np.stack([to_array(function(to_pillow(image))) for image in array])

    return on_arrays(who, images, each)


def to_pillow(array: Array) -> Image:
    """uint8 [height, width, 1 or 3] as an image of mode L or RGB."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[-1] == 1 else array))


def to_array(image: Image) -> Array:
    """An image as uint8 [height, width, channel]; modes other than L become RGB."""
    array = np.array(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    return array[..., None] if array.ndim == 2 else array


def pair(who: str, size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) from a number or a sequence of one or two."""
    sizes = [size] if isinstance(size, int) else list(size)
    if len(sizes) not in (1, 2) or not all(isinstance(n, int) and n > 0 for n in sizes):
        raise ValueError(f"{who}: expected a size of 1 or 2 numbers above 0, got {size!r}")
    return sizes[0], sizes[-1]
