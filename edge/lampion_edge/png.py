"""PNG without Pillow: zlib from the standard library, the filters undone in numpy."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lampion_edge.errors import ImageError
from lampion_edge.exif import orientation
from lampion_edge.golden import Array
from lampion_edge.pillow import INSTALL

# Colour type to samples per pixel and to the bit depths that go with it.
_GREY, _RGB, _PALETTE = 0, 2, 3
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, 4: 2, 6: 4}
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Rows unfiltered together: enough for numpy to be quick, few enough to stay small.
_BAND = 512


@dataclass(frozen=True)
class Header:
    """What the IHDR chunk says; `color` is PNG's number for it."""

    width: int
    height: int
    depth: int
    color: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, without the byte that names its filter."""
        return (self.width * _CHANNELS[self.color] * self.depth + 7) // 8

    @property
    def pixel_bytes(self) -> int:
        """How far to the left the filters look: a pixel, at least a byte."""
        return max(1, _CHANNELS[self.color] * self.depth // 8)


def header(data: bytes) -> Header:
    """The header of a PNG file. Raises ValueError if it is damaged, ImageError if it is interlaced."""
    if len(data) < 33 or data[12:16] != b"IHDR" or zlib.crc32(data[12:29]) != int.from_bytes(data[29:33]):
        raise ValueError("its header is damaged")
    width, height, depth, color, compression, filters, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if not width or not height or depth not in _DEPTHS.get(color, ()) or compression or filters or interlace > 1:
        raise ValueError("its header is damaged")
    if interlace:
        raise ImageError("reading an interlaced PNG needs Pillow, which is not installed", hint=INSTALL)
    return Header(width, height, depth, color)


def pixels(data: bytes, head: Header) -> tuple[Array, int]:
    """A PNG file as uint8 [height, width, 1 to 4], grey or RGB with alpha last, and its EXIF orientation.

    Raises ValueError if the file is cut off or damaged.
    """
    chunks: dict[bytes, bytes] = {}
    packed: list[bytes] = []
    for kind, body in _chunks(data):
        if kind == b"IDAT":
            packed.append(body)
        else:
            chunks.setdefault(kind, body)
    size = head.height * (head.row_bytes + 1)
    try:
        raw = zlib.decompressobj().decompress(b"".join(packed), size)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(raw) < size:
        raise ValueError(f"expected {size} bytes of pixels, got {len(raw)}")
    rows = np.frombuffer(raw, np.uint8).reshape(head.height, -1)
    samples = _samples(_unfiltered(rows, head), head)
    return _coloured(samples, head, chunks), orientation(chunks.get(b"eXIf", b""))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position < len(data):
        size, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        body, check = data[position + 8 : position + 8 + size], data[position + 8 + size : position + 12 + size]
        if len(check) < 4:
            raise ValueError("it ends inside a chunk")
        # As everywhere, only the chunks that carry pixels (their names begin with a capital) have to be sound.
        if kind[:1].isupper() and zlib.crc32(kind + body) != int.from_bytes(check):
            raise ValueError(f"the checksum of its {kind.decode('latin-1')!r} chunk is wrong")
        if kind == b"IEND":
            return
        yield kind, body
        position += 12 + size


# --- filters ---


def _unfiltered(rows: Array, head: Header) -> Array:
    """Rows of a filter byte and filtered bytes to the bytes that were filtered."""
    if rows[:, 0].max() > 4:
        raise ValueError(f"expected filters from 0 to 4, got {rows[:, 0].max()}")
    filtered = rows[:, 1:].reshape(head.height, -1, head.pixel_bytes)
    done = np.empty_like(filtered)
    above = np.zeros_like(filtered[:1])
    for start in range(0, head.height, _BAND):
        band = slice(start, start + _BAND)
        done[band] = _band(np.concatenate([above, filtered[band]]), rows[band, 0])
        above = done[band][-1:]
    return done.reshape(head.height, -1)


def _band(rows: Array, filters: Array) -> Array:
    """Undoes the filters of uint8 [row, pixel, byte]; row 0 is finished and belongs to the band before.

    A byte depends on its neighbours to the left, above and above left, so all bytes of one anti-diagonal are found at
    once: in a buffer whose rows are one pixel longer than they are read, a column is such a diagonal.
    """
    if not filters.any():
        return rows[1:]
    height, width, size = rows.shape
    length = width + height
    buffer = np.zeros((height, length + 1, size), np.uint8)
    buffer[:, :width] = rows
    diagonals = buffer.reshape(-1, size)[: height * length].reshape(height, length, size).transpose(1, 0, 2).copy()
    kinds = np.concatenate([[0], filters]).astype(np.uint8)[:, None]
    for step in range(1, length - 1):
        low, high = max(1, step - width + 1), min(height, step + 1)
        left = diagonals[step - 1, low:high].astype(np.int16)
        up, corner = (diagonals[step - back, low - 1 : high - 1].astype(np.int16) for back in (1, 2))
        guess = np.choose(kinds[low:high], [0, left, up, (left + up) >> 1, _paeth(left, up, corner)])
        diagonals[step, low:high] += guess.astype(np.uint8)
    buffer.reshape(-1, size)[: height * length].reshape(height, length, size)[:] = diagonals.transpose(1, 0, 2)
    return buffer[1:, :width]


def _paeth(left: Array, up: Array, corner: Array) -> Array:
    """Whichever of the three is nearest to left + up - corner."""
    to_left, to_up, to_corner = np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)
    nearer: Array = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearer)


# --- samples ---


def _samples(rows: Array, head: Header) -> Array:
    """The bytes of rows as samples [height, width, channel], uint8 or, of 16 bits, uint16."""
    if head.depth == 16:
        rows = rows.view(">u2").astype(np.uint16)
    elif head.depth < 8:
        shifts = np.arange(8 - head.depth, -1, -head.depth, dtype=np.uint8)
        rows = (rows[:, :, None] >> shifts & (1 << head.depth) - 1).reshape(head.height, -1)[:, : head.width]
    return rows.reshape(head.height, head.width, -1)


def _coloured(samples: Array, head: Header, chunks: dict[bytes, bytes]) -> Array:
    """Samples as 8-bit grey or RGB, with alpha where the file has some."""
    clear = chunks.get(b"tRNS")
    if head.color == _PALETTE:
        return _from_palette(samples[:, :, 0], chunks.get(b"PLTE", b""), clear)
    colours = _eight_bits(samples, head)
    if clear is None or head.color not in (_GREY, _RGB):
        return colours
    if len(clear) < 2 * samples.shape[2]:
        raise ValueError("its transparent colour is cut off")
    key = np.frombuffer(clear, ">u2", samples.shape[2])
    alpha = np.where((samples == key).all(axis=2, keepdims=True), 0, 255).astype(np.uint8)
    return np.concatenate([colours, alpha], axis=2)


def _eight_bits(samples: Array, head: Header) -> Array:
    if head.depth == 16:
        # As it is with Pillow: greys are rounded, of colours the upper byte counts.
        grey = head.color == _GREY
        return ((samples.astype(np.uint32) + 128) // 257 if grey else samples >> 8).astype(np.uint8)
    return samples * np.uint8(255 // ((1 << head.depth) - 1))


def _from_palette(indices: Array, colours: bytes, clear: bytes | None) -> Array:
    count = len(colours) // 3
    if indices.max() >= count:
        raise ValueError(f"its palette has {count} colours, a pixel asks for number {indices.max()}")
    palette = np.frombuffer(colours, np.uint8, 3 * count).reshape(-1, 3)
    if clear is not None:
        alpha = np.frombuffer(clear.ljust(count, b"\xff"), np.uint8, count)
        palette = np.concatenate([palette, alpha[:, None]], axis=1)
    return palette[indices]
