"""PNG without Pillow, against Pillow: both read the same files in one process."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lampion_edge import ImageError, Preprocessing, Resize, decode

RANDOM = np.random.default_rng(0)
SMOOTH = np.add.outer(np.linspace(0, 160, 37), np.linspace(0, 90, 53)).astype(np.uint8)
KINDS = {"grey": (0, 1), "RGB": (2, 3), "palette": (3, 1), "grey with alpha": (4, 2), "RGBA": (6, 4)}


@pytest.fixture
def no_pillow(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Importing Pillow fails from here on; the fixture's `undo` brings it back."""
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    return monkeypatch


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: bytes, size: tuple[int, int], depth: int, color: int, *more: bytes, interlace: int = 0) -> bytes:
    """A file of filtered rows; `more` are chunks before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def noise(kind: str, depth: int, *more: bytes, size: tuple[int, int] = (53, 37)) -> bytes:
    """Random bytes as rows, each with a filter of its own: whatever they unfilter to is a picture."""
    color, channels = KINDS[kind]
    width, height = size
    rows = RANDOM.integers(0, 256, (height, 1 + (width * channels * depth + 7) // 8), dtype=np.uint8)
    rows[:, 0] = np.arange(height) % 5
    palette = (chunk(b"PLTE", RANDOM.bytes(3 << depth)),) if color == 3 else ()
    return png(rows.tobytes(), size, depth, color, *palette, *more)


def saved(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def turned(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return saved(Image.fromarray(SMOOTH), exif=exif)


FILES = {
    **{
        f"{kind} {depth}": noise(kind, depth) for kind in KINDS for depth in (8, 16) if (kind, depth) != ("palette", 16)
    },
    **{f"{kind} {depth}": noise(kind, depth) for kind in ("grey", "palette") for depth in (1, 2, 4)},
    "more rows than a band": noise("RGB", 8, size=(5, 1100)),
    "one pixel": noise("RGBA", 8, size=(1, 1)),
    "one row": noise("grey", 8, size=(60, 1)),
    "one column": noise("RGB", 8, size=(1, 60)),
    "as Pillow writes it": saved(Image.fromarray(SMOOTH)),
    "no filters": saved(Image.fromarray(SMOOTH).quantize(16)),
    "palette with alphas": noise("palette", 8, chunk(b"tRNS", RANDOM.bytes(200))),
    "palette with one clear colour": noise("palette", 4, chunk(b"tRNS", b"\xff\xff\0")),
    "clear grey": saved(Image.fromarray(SMOOTH), transparency=40),
    "clear bit": noise("grey", 1, chunk(b"tRNS", b"\0\1")),
    "clear RGB": saved(Image.new("RGB", (5, 6), (1, 2, 3)), transparency=(1, 2, 3)),
    "pixels in many chunks": saved(Image.fromarray(RANDOM.integers(0, 256, (300, 300, 3), dtype=np.uint8))),
    **{f"turned {value}": turned(value) for value in range(10)},
}
CARDS = [
    Preprocessing("RGB", background=(10, 200, 90)),
    Preprocessing("L", background=(10, 200, 90)),
    Preprocessing("L", resize=Resize((28, 28))),
    Preprocessing("RGB", background=(9, 8, 7), resize=Resize((30, 20), "contain", "bicubic"), crop=(36, 10)),
    Preprocessing("RGB", orientation="none", resize=Resize((12, 12), "shorter", "lanczos"), crop=(12, 12)),
    Preprocessing("RGB", resize=Resize((12, 90), "stretch", "nearest")),
]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("name", FILES)
def test_the_very_pixels_that_pillow_gives(name: str, card: Preprocessing, no_pillow: pytest.MonkeyPatch) -> None:
    got = decode(FILES[name], card)
    no_pillow.undo()
    np.testing.assert_array_equal(got, decode(FILES[name], card))


@pytest.mark.parametrize(
    ("data", "want"),
    [
        # Pillow compares the clear colour with pixels that it has scaled to 8 bits, so it finds none here.
        (png(b"\0\x1b", (4, 1), 2, 0, chunk(b"tRNS", b"\0\2")), [0, 85, 9, 255]),
        (png(b"\0\x12\x34\x56\x78", (2, 1), 16, 0, chunk(b"tRNS", b"\x12\x34")), [9, 86]),
    ],
)
def test_a_clear_colour_of_other_depths(data: bytes, want: list[int], no_pillow: pytest.MonkeyPatch) -> None:
    assert decode(data, Preprocessing("L", background=(9, 9, 9))).ravel().tolist() == want


GOOD = saved(Image.fromarray(SMOOTH))
ROWS = b"\0\0\0\0\0" * 2  # of a grey picture of 4 x 2 pixels


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (GOOD[:20], "cut off or damaged .its header"),
        (GOOD[:28] + b"\1" + GOOD[29:], "cut off or damaged .its header"),
        (GOOD[:-30], "it ends inside a chunk"),
        (GOOD[:50] + b"oops" + GOOD[54:], "the checksum of its 'IDAT' chunk is wrong"),
        (png(ROWS, (0, 2), 8, 0), "its header is damaged"),
        (png(ROWS, (4, 2), 3, 0), "its header is damaged"),
        (png(ROWS, (4, 2), 16, 3), "its header is damaged"),
        (png(ROWS, (4, 3), 8, 0), "expected 15 bytes of pixels, got 10"),
        (png(b"\5" + ROWS, (4, 2), 8, 0), "expected filters from 0 to 4, got 5"),
        (png(ROWS, (4, 2), 8, 3), "its palette has 0 colours, a pixel asks for number 0"),
        (png(ROWS, (4, 2), 8, 0, chunk(b"tRNS", b"\0")), "its transparent colour is cut off"),
        (png(ROWS, (4, 2), 8, 0).replace(zlib.compress(ROWS), b"x" * len(zlib.compress(ROWS))), "checksum"),
        (png(ROWS, (4, 2), 8, 0, interlace=1), "^reading an interlaced PNG needs Pillow"),
        (png(ROWS, (30_000, 30_000), 8, 0), "at most 100,000,000 pixels, got 30000 x 30000"),
        (b"\xff\xd8\xff and so on, a photo", "^photo: reading JPEG needs Pillow, which is not installed$"),
        (b"hello, I am a text", "not an image"),
        (b"", "got 0 bytes"),
    ],
)
def test_errors(data: bytes, words: str, no_pillow: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match=words) as raised:
        decode(data, Preprocessing(resize=Resize((8, 8))))
    assert "\n" not in str(raised.value)
    assert ("needs Pillow" in words) == (raised.value.hint == "pip install 'lampion-edge[image]'")


def test_a_bad_file_is_named(tmp_path: Path, no_pillow: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(GOOD[:-30])
    with pytest.raises(ImageError, match=r"photo\.png: the PNG data is cut off or damaged"):
        decode(tmp_path / "photo.png", Preprocessing())


def test_arrays_need_no_pillow(no_pillow: pytest.MonkeyPatch) -> None:
    assert decode(RANDOM.integers(0, 256, (9, 8, 4), dtype=np.uint8), Preprocessing("L", crop=(4, 4))).shape == (
        4,
        4,
        1,
    )


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6))
def test_damaged_files(name: str, where: float, piece: bytes, cut: int) -> None:
    data = FILES[name]
    at = int(where**2 * len(data))
    with pytest.MonkeyPatch.context() as patch, suppress(ImageError):  # and nothing else
        patch.setitem(sys.modules, "PIL.Image", None)
        decode(data[:at] + piece + data[at + cut :], Preprocessing(resize=Resize((8, 8), "contain")))
