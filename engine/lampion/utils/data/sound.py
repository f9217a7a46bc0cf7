"""Sound in wav files."""

from __future__ import annotations

import os
import wave
from typing import IO, Any

import numpy as np

from lampion.ops.create import new
from lampion.tensor import Tensor


def read_wav(path: str | os.PathLike[str] | IO[bytes]) -> tuple[Tensor, int]:
    """A wav file (a path, or an open file) as float32 [channels, samples] in [-1, 1), and its rate in samples a second.

    Reads uncompressed uint8, int16, int24 and int32. Raises FileNotFoundError, and ValueError for other files.
    """
    try:
        with wave.open(os.fspath(path) if isinstance(path, str | os.PathLike) else path, "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(
            f"read_wav: {path} is no wav file of 8, 16, 24 or 32 bit integers ({error or 'it ends early'}); convert it"
        ) from error
    data = data[: len(data) // (width * channels) * width * channels]  # a file that was cut short ends within a frame
    return new(np.ascontiguousarray(_scaled(data, width).reshape(-1, channels).T), False), rate


def _scaled(data: bytes, width: int) -> np.ndarray[Any, Any]:
    """Samples of `width` bytes, little-endian, as fractions of the largest."""
    if width == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if width == 3:  # into the upper three bytes of four, which keeps the sign
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return (padded.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
    return (np.frombuffer(data, f"<i{width}") / 2.0 ** (8 * width - 1)).astype(np.float32)
