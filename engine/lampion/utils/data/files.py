"""Data sets in files: IDX, as MNIST and its kin come, and folders of images."""

from __future__ import annotations

import gzip
import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from lampion.ops.create import new
from lampion.tensor import Tensor
from lampion.utils.data.dataset import Dataset

_IDX_KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def read_idx(path: str | os.PathLike[str]) -> Tensor:
    """The array of an IDX file, which may be gzipped: uint8 [60000, 28, 28] for MNIST's images.

    Raises ValueError for a file of another kind or length.
    """
    with open(path, "rb") as file:
        data = file.read()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_KINDS or len(data) < 4 + 4 * data[3]:
        raise ValueError(f"read_idx: {path} is no IDX file: it starts with {data[:4].hex(' ')!r}")
    kind, rank = np.dtype(_IDX_KINDS[data[2]]), data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    expected = 4 + 4 * rank + math.prod(shape) * kind.itemsize
    if len(data) != expected:
        raise ValueError(f"read_idx: {path}: expected {expected} bytes for shape {list(shape)}, got {len(data)}")
    array = np.frombuffer(data, kind, offset=4 + 4 * rank).reshape(shape)
    return new(array.astype(kind.newbyteorder("=")), False)


class ImageFolder(Dataset):
    """Images in folders by class: `root/CLASS/anything.jpg`. A sample is (image, class number).

    An image is uint8 [height, width, 3] upright, or what `transform` makes of it. `classes` are the folders' names in order.
    Raises FileNotFoundError where there is no image.
    """

    def __init__(self, root: str | os.PathLike[str], transform: Callable[[Any], Any] | None = None) -> None:
        self.root, self.transform = Path(root), transform
        if not self.root.is_dir():
            raise FileNotFoundError(f"ImageFolder: no such folder: {self.root}")
        self.classes = sorted(p.name for p in self.root.iterdir() if p.is_dir())
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.samples = [
            (path, i)
            for i, name in enumerate(self.classes)
            for path in sorted((self.root / name).rglob("*"))
            if path.suffix.lower() in EXTENSIONS
        ]
        if not self.samples:
            raise FileNotFoundError(
                f"ImageFolder: expected images as CLASS/NAME{EXTENSIONS[0]} in {self.root}, found none"
            )

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.samples[index]
        image = read_image(path)
        return (image if self.transform is None else self.transform(image)), label

    def __len__(self) -> int:
        return len(self.samples)


def read_image(path: str | os.PathLike[str] | IO[bytes], mode: str = "RGB") -> Tensor:
    """An image file (a path, or an open file) as uint8 [height, width, channel], upright; `mode` is "RGB" or "L"."""
    from PIL import Image, ImageOps

    if mode not in ("RGB", "L"):
        raise ValueError(f"read_image: expected mode 'RGB' or 'L', got {mode!r}")
    with Image.open(path) as image:
        array = np.array(ImageOps.exif_transpose(image).convert(mode))
    return new(array[..., None] if mode == "L" else array, False)
