"""Reading wav files: PCM of 8 to 32 bits and floats, any number of channels."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lampion_edge.errors import SoundError

Samples = NDArray[np.float32]
_FLOAT, _EXTENSIBLE = 3, 0xFFFE
_BITS = {1: (8, 16, 24, 32), _FLOAT: (32, 64)}  # 1 is PCM
_HINT = "convert it: ffmpeg -i FILE -c:a pcm_s16le sound.wav"


def read_wav(content: bytes) -> tuple[Samples, int]:
    """Samples float32 [sample, channel] from -1 to 1, and the rate in Hz. Raises `SoundError`."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise SoundError("expected a wav file, which begins with RIFF and WAVE", hint=_HINT)
    chunks = dict(_chunks(content))
    if len(chunks.get(b"fmt ", b"")) < 16 or b"data" not in chunks:
        raise SoundError("the wav file is damaged: it lacks its format or its data")
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
    if kind == _EXTENSIBLE and len(chunks[b"fmt "]) >= 26:
        (kind,) = struct.unpack_from("<H", chunks[b"fmt "], 24)
    if bits not in _BITS.get(kind, ()) or not channels or not rate or block != channels * bits // 8:
        raise SoundError(
            "the wav file is damaged, or neither PCM of 8 to 32 bits nor floats: "
            f"coding {kind}, {channels} channels of {bits} bits at {rate} Hz in blocks of {block} bytes",
            hint=_HINT,
        )
    data = chunks[b"data"]
    return _samples(data[: len(data) // block * block], kind, bits).reshape(-1, channels), rate


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        # A recorder that was cut off, or that writes to a pipe, announces more than there is.
        yield name, content[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _samples(data: bytes, kind: int, bits: int) -> Samples:
    if kind == _FLOAT:
        with np.errstate(over="ignore"):
            return np.frombuffer(data, f"<f{bits // 8}").astype(np.float32)
    if bits == 8:
        return (np.frombuffer(data, np.uint8) / 128.0 - 1).astype(np.float32)
    if bits == 24:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, bits = wide.tobytes(), 32
    return (np.frombuffer(data, f"<i{bits // 8}") / 2.0 ** (bits - 1)).astype(np.float32)
