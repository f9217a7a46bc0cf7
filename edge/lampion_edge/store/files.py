"""What a model saw or heard, as the bytes of a file that any program opens."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.pillow import has_pillow, pillow

if TYPE_CHECKING:
    from lampion_edge.golden import Array

_KINDS = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"RI": "audio/wav"}


def as_file(sample: object, rate: int | None = None) -> tuple[bytes, str]:
    """Bytes and their media type: files as they are; pixels as JPEG, as PNG without Pillow; sound at a `rate` as wav."""
    if isinstance(sample, (str, Path)):
        sample = Path(sample).read_bytes()
    if isinstance(sample, (bytes, bytearray, memoryview)):
        return bytes(sample), _KINDS.get(bytes(sample[:2]), "application/octet-stream")
    array = np.asarray(sample)
    if array.ndim == 1 and rate:
        return _wav(array, rate), "audio/wav"
    return (_jpeg(array), "image/jpeg") if has_pillow() else (png(array), "image/png")


def png(pixels: Array) -> bytes:
    """uint8 [height, width] or [height, width, 1, 3 or 4] as a PNG file (https://www.w3.org/TR/png), unfiltered."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    kind = {1: 0, 3: 2, 4: 6}[rows.shape[1] // width]
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 6)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _jpeg(pixels: Array) -> bytes:
    stream = io.BytesIO()
    image = pillow("Image").fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels))
    image.convert("RGB" if image.mode == "RGBA" else image.mode).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _wav(samples: Array, rate: int) -> bytes:
    import wave

    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1 - 2**-15) * 2**15).astype("<i2").tobytes())
    return stream.getvalue()
