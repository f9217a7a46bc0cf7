"""Cast, scale, normalization and layout: plain Tensor ops, so that they become part of the exported graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lampion import dtypes
from lampion.nn.module import Module
from lampion.ops.create import asarray, new
from lampion.tensor import Tensor


class Arithmetic(Module):
    """Base: a step inside the graph; `card` gives its entry in the card's `in_graph`."""

    def card(self) -> dict[str, Any]:
        """What the card's `in_graph` says of it."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method `card`, found none; define it")


class ToDtype(Arithmetic):
    """To a dtype; with `scale` integers become fractions of their largest value: uint8 / 255."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        self.dtype, self.scale = dtypes.of(dtype), scale
        if scale and not self.dtype.is_floating_point:
            raise ValueError(f"ToDtype: expected a floating point dtype to scale to, got {self.dtype}")

    def forward(self, images: Any) -> Tensor:
        x = asarray(images)
        if not self.scale or x.is_floating_point():
            return x.to(self.dtype)
        return x.to(self.dtype) / float(np.iinfo(x.dtype.numpy).max)

    def card(self) -> dict[str, Any]:
        return {"op": "scale", "by": 1 / 255} if self.scale else {"op": "cast", "to": self.dtype.name}

    def extra_repr(self) -> str:
        return f"{self.dtype}, scale={self.scale}"


class ToChannelsFirst(Arithmetic):
    """[..., height, width, channel] to [..., channel, height, width]."""

    def forward(self, images: Any) -> Tensor:
        return asarray(images).movedim(-1, -3)

    def card(self) -> dict[str, Any]:
        return {"op": "layout", "to": "channels_first"}


class ToChannelsLast(Arithmetic):
    """[..., channel, height, width] to [..., height, width, channel], for models that want it so behind `Normalize`."""

    def forward(self, images: Any) -> Tensor:
        return asarray(images).movedim(-3, -1)

    def card(self) -> dict[str, Any]:
        return {"op": "layout", "to": "channels_last"}


class Normalize(Arithmetic):
    """(x - mean) / std for every channel of [..., channel, height, width].

    With one mean and one std the layout does not matter. Raises ValueError where they don't fit the channels.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean, self.std = [float(m) for m in mean], [float(s) for s in std]
        if len(self.mean) != len(self.std) or not self.mean or 0.0 in self.std:
            raise ValueError(f"Normalize: expected as many means as stds, none of which is 0, got {mean} and {std}")

    def forward(self, images: Tensor) -> Tensor:
        if not images.is_floating_point():
            raise TypeError(f"Normalize: expected floating point numbers, got {images.dtype}; place it behind ToDtype")
        channels = images.shape[-3] if images.ndim > 2 else 0
        if len(self.mean) > 1 and channels != len(self.mean):
            raise ValueError(
                f"Normalize: expected {len(self.mean)} channels in [..., channel, height, width], got "
                f"{list(images.shape)}; place it behind ToChannelsFirst"
            )
        mean, std = (new(np.array(v, images.dtype.numpy).reshape(-1, 1, 1), False) for v in (self.mean, self.std))
        return (images - mean) / std

    def card(self) -> dict[str, Any]:
        return {"op": "normalize", "mean": self.mean, "std": self.std}

    def extra_repr(self) -> str:
        return f"mean={self.mean}, std={self.std}"
