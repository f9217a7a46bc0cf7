from __future__ import annotations

import struct

import pytest
from PIL import Image

from lampion_edge.exif import orientation


def written(value: int, order: str) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    width = struct.pack(f"{order}HHII", 0x0100, 4, 1, 640)
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    return mark + struct.pack(f"{order}IH", 8, 2) + width + entry + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("value", "want"), [(1, 1), (3, 3), (6, 6), (8, 8), (0, 1), (9, 1)])
def test_orientation(value: int, want: int, order: str) -> None:
    assert orientation(written(value, order)) == want


def test_as_pillow_writes_it() -> None:
    exif = Image.Exif()
    exif[0x0100], exif[0x0112], exif[0x010F] = 5, 7, "a maker"
    assert orientation(exif.tobytes().removeprefix(b"Exif\0\0")) == 7


@pytest.mark.parametrize(
    "data", [b"", b"II", b"XX*\0", written(6, "<")[:20], b"II*\0\xff\xff\xff\xff", written(6, "<")[:8]]
)
def test_broken_data_is_upright(data: bytes) -> None:
    assert orientation(data) == 1
