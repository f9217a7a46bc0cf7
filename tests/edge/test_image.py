from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from lampion_edge import ImageError, Preprocessing, Resize, decode

RANDOM = np.random.default_rng(0)
# Smooth, so that JPEG and resizing change little, and different in every corner.
RAMP = np.add.outer(np.linspace(0, 160, 24), np.linspace(0, 80, 32)).astype(np.uint8)
PHOTO = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG whose header says this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


# --- what a photo may be ---


@pytest.mark.parametrize("color", ["RGB", "L"])
def test_path_bytes_and_array_agree(tmp_path: Path, color: str) -> None:
    data = saved(Image.fromarray(PHOTO))
    (tmp_path / "p.png").write_bytes(data)
    preprocessing = Preprocessing(color, resize=Resize((8, 9)))
    want = decode(PHOTO, preprocessing)
    assert (want.shape, want.dtype) == ((8, 9, 3 if color == "RGB" else 1), np.uint8)
    for photo in (data, bytearray(data), memoryview(data), tmp_path / "p.png", str(tmp_path / "p.png")):
        np.testing.assert_array_equal(decode(photo, preprocessing), want)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
@pytest.mark.parametrize("color", ["RGB", "L"])
def test_arrays(shape: tuple[int, ...], color: str) -> None:
    array = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    got = decode(array, Preprocessing(color))
    assert got.shape == (4, 5, 3 if color == "RGB" else 1)
    if len(shape) == 2 or shape[2] == 1:
        assert (got == array.reshape(4, 5, 1)).all()
    else:
        np.testing.assert_array_equal(got, decode(saved(Image.fromarray(array)), Preprocessing(color)))


def test_result_belongs_to_the_caller() -> None:
    photo = PHOTO.copy()
    decode(photo, Preprocessing())[:] = 0
    np.testing.assert_array_equal(photo, PHOTO)


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (np.zeros((2, 2), np.float32), r"got float32 \[2, 2\]"),
        (np.zeros((2, 2, 2), np.uint8), r"got uint8 \[2, 2, 2\]"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"got uint8 \[1, 2, 2, 3\]"),
        (np.zeros((0, 2, 3), np.uint8), "an empty array"),
        (7, "got int"),
        (None, "got NoneType"),
        (b"", "got 0 bytes"),
        (b"hello, I am a text", "not an image"),
        (b"P5 is the name of a plan, not of a picture", "PNM data is cut off or damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\xff\xd8\xff", "JPEG data is cut off or damaged"),
        (saved(Image.fromarray(PHOTO), "JPEG")[:-300], "JPEG data is cut off or damaged"),
        (saved(Image.new("LAB", (4, 4)), "TIFF"), "photo: expected RGB, CMYK or grey, got LAB"),
        (saved(Image.fromarray(PHOTO))[:150], "PNG data is cut off or damaged"),
        (png(30_000, 30_000), "at most 100,000,000 pixels, got 30000 x 30000 = 900,000,000"),
        (png(2**31 - 1, 2**31 - 1), "at most 100,000,000 pixels"),
        (png(0, 5), "PNG data is cut off or damaged"),
        ("missing.jpg", "missing.jpg: there is no such file"),
        (".", "can't be read"),
        ("nul\0.jpg", "can't be read"),
    ],
)
def test_errors(photo: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words) as raised:
        decode(photo, Preprocessing(resize=Resize((8, 8))))
    assert "\n" not in str(raised.value)


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("not a photo")
    with pytest.raises(ImageError, match=r"notes\.jpg: not an image"):
        decode(path, Preprocessing())


def test_limit_of_pixels() -> None:
    data = saved(Image.new("L", (10, 10)))
    assert decode(data, Preprocessing("L"), max_pixels=100).shape == (10, 10, 1)
    with pytest.raises(ImageError, match="at most 99 pixels, got 10 x 10 = 100"):
        decode(data, Preprocessing("L"), max_pixels=99)


def test_pillows_own_limit_stays_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow would warn from 11 on and refuse from 21 on
    for side in (4, 10):
        assert decode(saved(Image.new("L", (side, side))), Preprocessing("L")).shape == (side, side, 1)


def test_an_endless_strip_is_not_blown_up() -> None:
    with pytest.raises(ImageError, match="too long and narrow"):
        decode(saved(Image.new("L", (60_000, 1))), Preprocessing("L", resize=Resize((256, 256), "shorter")))


# --- colour modes ---


def rgba(alpha: int) -> Image.Image:
    return Image.merge("RGBA", [*Image.fromarray(PHOTO).split(), Image.new("L", (32, 24), alpha)])


GREY = Image.fromarray(RAMP)
MODES = {
    "1": (saved(GREY.point(lambda value: 255 * (value > 99)).convert("1")), np.where(RAMP > 99, 255, 0)),
    "L": (saved(GREY), RAMP),
    "LA opaque": (saved(Image.merge("LA", [GREY, Image.new("L", GREY.size, 255)])), RAMP),
    "LA clear": (saved(Image.merge("LA", [GREY, Image.new("L", GREY.size, 0)])), np.full_like(RAMP, 200)),
    "I;16 PNG": (saved(Image.fromarray(RAMP.astype(np.uint16) * 257 + 128)), RAMP),
    "I;16 TIFF": (saved(Image.fromarray(RAMP.astype(np.uint16) * 257), "TIFF"), RAMP),
    "I TIFF": (saved(Image.fromarray(RAMP.astype(np.int32) * 257), "TIFF"), RAMP),
    "F TIFF": (saved(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), RAMP),
    "F NaN": (saved(Image.fromarray(np.full((24, 32), np.nan, np.float32)), "TIFF"), np.zeros_like(RAMP)),
    "RGB": (saved(Image.fromarray(PHOTO)), PHOTO),
    "RGB key": (saved(Image.new("RGB", (32, 24), (1, 2, 3)), transparency=(1, 2, 3)), np.full_like(PHOTO, 200)),
    "RGBA opaque": (saved(rgba(255)), PHOTO),
    "RGBA clear": (saved(rgba(0)), np.full_like(PHOTO, 200)),
    "RGBA half": (saved(rgba(128)), PHOTO * 0.5 + 100),
    "P": (saved(Image.fromarray(PHOTO).quantize(64)), PHOTO),
    "P clear": (saved(Image.new("RGB", (32, 24)).quantize(2), transparency=0), np.full_like(PHOTO, 200)),
    "CMYK JPEG": (saved(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=100), PHOTO),
    "CMYK TIFF": (saved(Image.fromarray(PHOTO).convert("CMYK"), "TIFF"), PHOTO),
    "YCbCr JPEG": (saved(Image.fromarray(PHOTO), "JPEG", quality=100, subsampling=0), PHOTO),
    "GIF": (saved(GREY, "GIF"), RAMP),
    "BMP": (saved(Image.fromarray(PHOTO), "BMP"), PHOTO),
    "PPM": (saved(Image.fromarray(PHOTO), "PPM"), PHOTO),
    "WebP": (saved(Image.fromarray(PHOTO), "WEBP", lossless=True), PHOTO),
    "WebP clear": (saved(rgba(0), "WEBP", lossless=True), np.full_like(PHOTO, 200)),
}
LOSSY = {"P": 40, "RGBA half": 1, "CMYK JPEG": 6, "YCbCr JPEG": 4}


@pytest.mark.parametrize("color", ["RGB", "L"])
@pytest.mark.parametrize("mode", MODES)
def test_modes(mode: str, color: str) -> None:
    data, want = MODES[mode]
    want = want if want.ndim == 3 else np.repeat(want[:, :, None], 3, axis=2)
    if color == "L":
        want = want @ [0.299, 0.587, 0.114]
        want = want[:, :, None]
    got = decode(data, Preprocessing(color, background=(200, 200, 200)))
    assert got.shape == want.shape
    assert np.abs(got.astype(float) - want).max() <= LOSSY.get(mode, 0) + (color == "L")


def test_background_has_its_colour() -> None:
    got = decode(saved(rgba(0)), Preprocessing(background=(10, 20, 30)))
    assert np.unique(got.reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (6, 5), color) for color in ("black", "white", "white")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert decode(data, Preprocessing()).max() == 0


# --- orientation ---

# What the camera stores for an upright photo `p`, per EXIF orientation.
STORED = {
    1: PHOTO,
    2: PHOTO[:, ::-1],
    3: PHOTO[::-1, ::-1],
    4: PHOTO[::-1],
    5: PHOTO.transpose(1, 0, 2),
    6: np.rot90(PHOTO, 1),
    7: PHOTO[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(PHOTO, -1),
}


def turned(orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    return saved(Image.fromarray(np.ascontiguousarray(STORED.get(orientation, PHOTO))), kind, exif=exif, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [*STORED, 0, 9])
def test_orientation(orientation: int, kind: str) -> None:
    got = decode(turned(orientation, kind), Preprocessing())
    assert got.shape == PHOTO.shape
    assert np.abs(got.astype(int) - PHOTO).max() <= (4 if kind == "JPEG" else 0)


def test_orientation_before_resize() -> None:
    got = decode(turned(6, "JPEG"), Preprocessing(resize=Resize((12, 16))))
    want = decode(PHOTO, Preprocessing(resize=Resize((12, 16))))
    assert np.abs(got.astype(int) - want).max() <= 4


def test_orientation_can_be_left() -> None:
    got = decode(turned(6, "PNG"), Preprocessing(orientation="none"))
    np.testing.assert_array_equal(got, STORED[6])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow says so once, and goes on
def test_broken_exif_is_no_reason_to_refuse() -> None:
    data = saved(Image.fromarray(PHOTO), "JPEG", exif=b"Exif\0\0II*\0garbage that is no directory")
    assert decode(data, Preprocessing()).shape == PHOTO.shape


# --- size ---


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_small_photos_give_what_a_plain_resize_gives(interpolation: str) -> None:
    data = saved(Image.fromarray(PHOTO), "JPEG")
    plain = Image.open(io.BytesIO(data)).resize((14, 12), Image.Resampling[interpolation.upper()])
    got = decode(data, Preprocessing(resize=Resize((12, 14), interpolation=interpolation)))
    np.testing.assert_array_equal(got, np.array(plain))


def test_a_file_that_a_decoder_gets_in_pieces() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), "JPEG", quality=95)
    assert len(data) > 2**21
    np.testing.assert_array_equal(decode(data, Preprocessing()), np.asarray(Image.open(io.BytesIO(data))))
    with pytest.raises(ImageError, match="cut off or damaged"):
        decode(data[: 2**20 + 1000], Preprocessing())


@pytest.fixture(scope="module")
def twelve_megapixels() -> bytes:
    return saved(Image.fromarray(PHOTO).resize((4000, 3000), Image.Resampling.BICUBIC), "JPEG", quality=90)


@pytest.mark.parametrize("rule", ["stretch", "shorter", "contain"])
def test_twelve_megapixels(twelve_megapixels: bytes, rule: str) -> None:
    got = decode(twelve_megapixels, Preprocessing(resize=Resize((120, 120), rule)))
    small = {"stretch": (120, 120), "shorter": (160, 120), "contain": (120, 90)}[rule]
    plain = np.array(Image.open(io.BytesIO(twelve_megapixels)).resize(small, Image.Resampling.BILINEAR))
    middle = got[15:105] if rule == "contain" else got
    assert np.abs(middle.astype(int) - plain).max() <= 3


@pytest.mark.parametrize("crop", [(64, 60), (80, 64), None])
@pytest.mark.parametrize("rule", ["stretch", "shorter", "contain"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_scaled_while_decoded_stays_where_it_was(orientation: int, rule: str, crop: Any) -> None:
    # Sides that no 4 divides, and waves so short that a third of a pixel to the side shows.
    down, across = np.mgrid[:751, :1001]
    waves = np.stack([np.sin(down / 18 + across / 11), np.sin(across / 13), np.sin(down / 12)], -1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray((127 + 100 * waves).astype(np.uint8)), "JPEG", quality=95, exif=exif)
    card = Preprocessing(resize=Resize((70, 70), rule), crop=crop)
    whole = Image.open(io.BytesIO(data))
    want = decode(np.asarray(ImageOps.exif_transpose(whole)), card)
    assert np.abs(decode(data, card).astype(int) - want).max() <= 8


# --- whatever bytes come ---

FILES = [
    *(saved(Image.fromarray(PHOTO), kind) for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")),
    turned(6, "JPEG"),
    MODES["P clear"][0],
    saved(rgba(9), "TIFF", compression="tiff_lzw"),
]


@given(st.binary(max_size=40), st.sampled_from([b"", *(data[:12] for data in FILES)]))
def test_any_bytes(data: bytes, start: bytes) -> None:
    with suppress(ImageError):  # and nothing else
        decode(start + data, Preprocessing())


@given(st.sampled_from(FILES), st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6))
def test_damaged_files(data: bytes, where: float, piece: bytes, cut: int) -> None:
    # Headers are where damage is interesting: the square draws the place towards the start.
    at = int(where**2 * len(data))
    with suppress(ImageError):  # and nothing else
        decode(data[:at] + piece + data[at + cut :], Preprocessing(resize=Resize((8, 8), "contain")))
