"""IDX files and image folders."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lampion
from lampion.utils.data import DataLoader, ImageFolder, read_idx, read_image

KINDS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx(code: int, array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.astype(KINDS[code]).tobytes()


@pytest.mark.parametrize("code", KINDS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx(tmp_path: Path, code: int, pack: Any) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    (tmp_path / "x").write_bytes(pack(idx(code, array)))
    t = read_idx(tmp_path / "x")
    assert t.dtype.numpy == np.dtype(KINDS[code]).newbyteorder("=")
    np.testing.assert_array_equal(t.numpy(), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no IDX file"),
        (b"\x89PNG\r\n\x1a\n", "no IDX file: it starts with '89 50 4e 47'"),
        (idx(8, np.zeros((2, 3)))[:-1], r"expected 18 bytes for shape \[2, 3\], got 17"),
        (idx(8, np.zeros((2, 3))) + b"x", "expected 18 bytes"),
        (b"\0\0\x08\x09\0\0", "no IDX file"),
    ],
)
def test_damaged_idx(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "x")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, color in (("cat", (255, 0, 0)), ("dog", (0, 0, 255))):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for i, place in enumerate((tmp_path / name, tmp_path / name / "deeper")):
            Image.new("RGB", (4, 3), color).save(place / f"{i}.PNG")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "notes.txt").write_text("no class")
    return tmp_path


def test_image_folder(folder: Path) -> None:
    samples = ImageFolder(folder)
    assert (samples.classes, samples.class_to_idx, len(samples)) == (["cat", "dog"], {"cat": 0, "dog": 1}, 4)
    image, label = samples[0]
    assert (image.shape, image.dtype, label) == ((3, 4, 3), lampion.uint8, 0)
    assert image[0, 0].tolist() == [255, 0, 0]
    x, y = next(iter(DataLoader(ImageFolder(folder, lambda i: i.float() / 255), 4)))
    assert (x.shape, y.tolist()) == ((4, 3, 4, 3), [0, 0, 1, 1])


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected images as CLASS/NAME.jpg in .*, found none"):
        ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        ImageFolder(tmp_path / "nothing")


def test_read_image_is_upright_and_in_its_mode(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2), (10, 20, 30))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    assert read_image(tmp_path / "x.png").shape == (4, 2, 3)
    assert read_image(tmp_path / "x.png", "L").shape == (4, 2, 1)
    with pytest.raises(ValueError, match="expected mode 'RGB' or 'L', got 'CMYK'"):
        read_image(tmp_path / "x.png", "CMYK")
