"""Random changes of training images [..., height, width, channel], drawn for every image. In eval mode they do nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lampion.nn.module import Module
from lampion.ops.random import Generator, default_generator
from lampion.transforms.images import Array, on_arrays, pair


class Augmentation(Module):
    """Base: a subclass gives `change` of [n, height, width, channel] from numbers of `self.random`."""

    def __init__(self, generator: Generator | None = None) -> None:
        super().__init__()
        self.generator = generator

    @property
    def random(self) -> np.random.Generator:
        """Where the numbers come from: the generator given, or the one that `manual_seed` sets."""
        return (self.generator or default_generator).numpy

    def forward(self, images: Any) -> Any:
        return on_arrays(type(self).__name__, images, self.change) if self.training else images

    def change(self, images: Array) -> Array:
        """[n, height, width, channel], each image changed in its own way."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method `change`, found none; define it")


class RandomHorizontalFlip(Augmentation):
    """Mirrors left and right with probability p."""

    axis = 2

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        super().__init__(generator)
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: expected a probability between 0 and 1, got {p}")
        self.p = p

    def change(self, images: Array) -> Array:
        chosen = self.random.random(len(images)) < self.p
        return np.where(chosen[:, None, None, None], np.flip(images, self.axis), images)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Mirrors top and bottom with probability p."""

    axis = 1


class RandomCrop(Augmentation):
    """A window of `size` at a random place of the image, grown by `padding` elements of `fill` on every side before."""

    def __init__(
        self, size: int | Sequence[int], padding: int = 0, fill: float = 0, *, generator: Generator | None = None
    ) -> None:
        super().__init__(generator)
        self.size, self.padding, self.fill = pair("RandomCrop", size), padding, fill

    def change(self, images: Array) -> Array:
        around = (self.padding, self.padding)
        grown = np.pad(images, [(0, 0), around, around, (0, 0)], constant_values=self.fill)
        height, width = self.size
        down, right = grown.shape[1] - height, grown.shape[2] - width
        if min(down, right) < 0:
            raise ValueError(
                f"RandomCrop: expected images of at least {self.size}, got {grown.shape[1:3]}; raise padding"
            )
        tops = self.random.integers(0, down + 1, len(images))
        lefts = self.random.integers(0, right + 1, len(images))
        rows = tops[:, None, None] + np.arange(height)[:, None]
        columns = lefts[:, None, None] + np.arange(width)
        return grown[np.arange(len(images))[:, None, None], rows, columns]


class RandomAffine(Augmentation):
    """Turned by up to `degrees`, moved by up to the shares `translate` of (width, height), scaled and sheared.

    `degrees` and `shear` are a number d for [-d, d] or a pair, `scale` a pair. Bilinear; outside the image is `fill`.
    """

    def __init__(
        self, degrees: float | Sequence[float], translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None, shear: float | Sequence[float] | None = None, fill: float = 0,
        *, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__(generator)
        self.degrees, self.shear = _range("degrees", degrees), _range("shear", shear or 0.0)
        self.translate, self.scale, self.fill = tuple(translate or (0.0, 0.0)), tuple(scale or (1.0, 1.0)), fill
        if not all(0 <= t <= 1 for t in self.translate) or not all(s > 0 for s in self.scale):
            raise ValueError(
                f"RandomAffine: expected translate in [0, 1] and scale above 0, got {self.translate}, {self.scale}"
            )

    def change(self, images: Array) -> Array:
        n, height, width = images.shape[:3]
        angle, shear = (np.radians(self.random.uniform(*r, n)) for r in (self.degrees, self.shear))
        factor = self.random.uniform(self.scale[0], self.scale[1], n)
        shift = self.random.uniform(-1, 1, (2, n)) * np.array(
            [[height * self.translate[1]], [width * self.translate[0]]]
        )
        y, x = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
        y = y[None] - shift[0][:, None, None]
        x = x[None] - shift[1][:, None, None]
        cos, sin, tan, by = (v[:, None, None] for v in (np.cos(angle), np.sin(angle), np.tan(shear), 1 / factor))
        # Where each pixel of the result comes from: turned back, scaled back, sheared back.
        rows = (cos * y - sin * x) * by
        columns = (sin * y + cos * x) * by - tan * rows
        return _sampled(images, rows + (height - 1) / 2, columns + (width - 1) / 2, self.fill)


class RandomRotation(RandomAffine):
    """Turned by up to `degrees` around the middle."""

    def __init__(
        self, degrees: float | Sequence[float], fill: float = 0, *, generator: Generator | None = None
    ) -> None:
        super().__init__(degrees, fill=fill, generator=generator)


def _sampled(images: Array, rows: Array, columns: Array, fill: float) -> Array:
    """Bilinear values of [n, height, width, channel] at places [n, height', width']."""
    grown = np.pad(images.astype(np.float32), [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=fill)
    rows = np.clip(rows + 1, 0, grown.shape[1] - 1.001)
    columns = np.clip(columns + 1, 0, grown.shape[2] - 1.001)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    down, right = (rows - top)[..., None].astype(np.float32), (columns - left)[..., None].astype(np.float32)
    which = np.arange(len(images))[:, None, None]
    above = grown[which, top, left] * (1 - right) + grown[which, top, left + 1] * right
    below = grown[which, top + 1, left] * (1 - right) + grown[which, top + 1, left + 1] * right
    mixed = above * (1 - down) + below * down
    return np.round(mixed).astype(images.dtype) if images.dtype.kind in "ui" else mixed.astype(images.dtype)


def _range(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    low, high = (-value, value) if isinstance(value, int | float) else (value[0], value[-1])
    if not (low <= high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{name}: expected a number of at least 0 or a pair (low, high), got {value}")
    return low, high
