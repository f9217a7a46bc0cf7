"""Wav files to test with."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np

LOUD = np.sin(np.arange(800) / 7) * 0.4 + 0.3


def wav(samples: np.ndarray, rate: int = 8000, width: int = 2) -> bytes:
    """A PCM file of samples [time] or [time, channel] from -1 to 1, written by the standard library."""
    samples = samples if samples.ndim == 2 else samples[:, None]
    whole = np.clip(np.rint(samples * 2.0 ** (8 * width - 1)), -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1)
    if width == 1:
        data = (whole + 128).astype(np.uint8).tobytes()
    else:
        data = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return buffer.getvalue()


def floats(samples: np.ndarray, *, extensible: bool = False) -> bytes:
    """A file of floats, in the plain or the extensible form, with a chunk of an odd length before the data."""
    bits = 8 * samples.dtype.itemsize
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else 3, 1, 8000, 8000 * bits // 8, bits // 8, bits)
    form += struct.pack("<HHIH14s", 22, bits, 4, 3, b"") if extensible else b""
    chunks = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in ((b"fmt ", form), (b"LIST", b"odd"), (b"data", samples.tobytes()))
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks
