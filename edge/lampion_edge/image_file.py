"""Opens image files by their first bytes, and says in one sentence why one can't be opened."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lampion_edge import png
from lampion_edge.card import Preprocessing
from lampion_edge.errors import EdgeError, ImageError
from lampion_edge.exif import TAG
from lampion_edge.golden import Array
from lampion_edge.pillow import INSTALL, pillow

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow's own Image.open would try every plugin it has (PostScript among them, which starts a program), import them
# all, and warn of large images by a global setting. These are opened by the class that reads them.
_FORMATS = (
    (rb"\xff\xd8\xff", "JPEG", "JpegImagePlugin", "JpegImageFile"),
    (rb"\x89PNG\r\n\x1a\n", "PNG", "PngImagePlugin", "PngImageFile"),
    (rb"RIFF....WEBP", "WebP", "WebPImagePlugin", "WebPImageFile"),
    (rb"GIF8[79]a", "GIF", "GifImagePlugin", "GifImageFile"),
    (rb"BM", "BMP", "BmpImagePlugin", "BmpImageFile"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (rb"P[1-6]\s", "PNM", "PpmImagePlugin", "PpmImageFile"),
    (rb"....ftypavi[fs]", "AVIF", "AvifImagePlugin", "AvifImageFile"),
)
# Bytes that a decoder is given at once. Pillow's own 64 kB have libjpeg begin a row anew at the end of each, some dozens of
# times in a photo of 12 megapixels, and every piece is another wait for the interpreter where several threads decode.
_AT_ONCE = 2**20
File = str | Path | bytes | bytearray | memoryview


@contextmanager
def opened(photo: File, name: str, max_pixels: int) -> Iterator[Image]:
    """An image whose header was read and whose size was found to be within `max_pixels`. Raises ImageError."""
    with _stream(photo, name) as stream:
        kind, module, opener = _format(stream, name)
        plugin = getattr(pillow(module), opener)
        with one_sentence(name, kind):
            image = plugin(stream)
        image.decodermaxblock = _AT_ONCE
        _check_size(image.width, image.height, name, max_pixels)
        yield image


def without_pillow(photo: File, name: str, max_pixels: int) -> tuple[Array, int]:
    """A PNG file as uint8 [height, width, 1 to 4], alpha last, and its orientation. Raises ImageError for others."""
    with _stream(photo, name) as stream:
        kind, _, _ = _format(stream, name)
        if kind != "PNG":
            raise ImageError(f"{name}: reading {kind} needs Pillow, which is not installed", hint=INSTALL)
        data = stream.read()
    with one_sentence(name, kind):
        header = png.header(data)
        _check_size(header.width, header.height, name, max_pixels)
        return png.pixels(data, header)


def _format(stream: IO[bytes], name: str) -> tuple[str, str, str]:
    """The format whose files start like this one, and the module and class that read it."""
    start = stream.read(16)
    stream.seek(0)
    if not start:
        raise ImageError(f"{name}: expected an image, got 0 bytes")
    for pattern, *found in _FORMATS:
        if re.match(pattern, start, re.DOTALL):
            kind, module, opener = found
            return kind, module, opener
    known = ", ".join(kind for _, kind, _, _ in _FORMATS)
    raise ImageError(f"{name}: not an image, or of a kind not read here", hint=f"expected one of {known}")


def _stream(photo: File, name: str) -> IO[bytes]:
    if not isinstance(photo, (str, Path)):
        return io.BytesIO(photo)
    try:
        return Path(photo).open("rb")
    except FileNotFoundError:
        raise ImageError(f"{name}: there is no such file", hint="check the path of the photo") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{name}: can't be read ({getattr(error, 'strerror', None) or error})") from error


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: expected at most {max_pixels:,} pixels, got {width} x {height} = {width * height:,}",
            hint="scale the photo down first, or raise max_pixels",
        )


@contextmanager
def one_sentence(name: str, kind: str = "image") -> Iterator[None]:
    """Turns whatever an image library raises inside into an ImageError."""
    try:
        yield
    except EdgeError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name}: too large for the memory of this machine") from error
    # Depending on which byte is wrong Pillow raises any of a dozen types, SyntaxError and struct.error among them.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name}: the {kind} data is cut off or damaged ({reason})") from error


def draft(image: Image, preprocessing: Preprocessing) -> int:
    """Lets a JPEG be decoded at 1/2, 1/4 or 1/8 of its size, where that leaves twice what the card asks for.

    Smaller photos are left alone, so that they give the very pixels that a plain resize gives. Returns by how much its
    sides are divided: 1, 2, 4 or 8.
    """
    resize, width = preprocessing.resize, image.width
    if resize is not None and resize.interpolation != "nearest" and image.format == "JPEG":
        side = 2 * max(resize.size)
        image.draft(image.mode, (side, side))
    return round(width / image.width)


def orientation(image: Image) -> int:
    """The EXIF orientation of a loaded image, 1 to 8; 1 (upright) where there is none or the EXIF data is broken."""
    try:
        value = image.getexif().get(TAG, 1)
    except Exception:  # a damaged EXIF block is no reason to refuse a sound photo
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
