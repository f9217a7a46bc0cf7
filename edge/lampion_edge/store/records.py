"""A record as bytes. The format is documented in docs/edge.md; lampion.utils.data reads it with a reader of its own.

4 bytes   LMP1
uint32    length of the JSON, little-endian
uint32    length of the data
uint32    CRC-32 of the two lengths, the JSON and the data
JSON      an object: id, number, time, kind, ...; "type" names what the data are
data      the bytes of an image file, a wav file or an .npy file, or nothing
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAGIC = b"LMP1"
_HEAD = struct.Struct("<4sIII")


@dataclass(frozen=True)
class Record:
    """What is told, as JSON, and the bytes of a file."""

    told: dict[str, Any]
    data: bytes = b""

    @property
    def number(self) -> int:
        """Its place in its ring; the next is one more."""
        number: int = self.told["number"]
        return number


def packed(record: Record) -> bytes:
    """The record as it lies on disk."""
    told = json.dumps(record.told, allow_nan=False).encode()
    lengths = struct.pack("<II", len(told), len(record.data))
    check = zlib.crc32(record.data, zlib.crc32(told, zlib.crc32(lengths)))
    return b"".join([MAGIC, lengths, struct.pack("<I", check), told, record.data])


def unpacked(content: bytes) -> Iterator[tuple[Record, int]]:
    """Whole records, each with where it ends; what a power cut left of others ends the reading."""
    at = 0
    while at + _HEAD.size <= len(content):
        magic, told, data, check = _HEAD.unpack_from(content, at)
        start, end = at + _HEAD.size, at + _HEAD.size + told + data
        if magic != MAGIC or end > len(content):
            return
        if zlib.crc32(content[start:end], zlib.crc32(content[at + 4 : at + 12])) != check:
            return
        yield Record(json.loads(content[start : start + told]), content[start + told : end]), end
        at = end
