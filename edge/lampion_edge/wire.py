"""Protobuf's wire format, as far as reading an ONNX file needs it."""

from __future__ import annotations

from collections.abc import Iterator


class MalformedError(Exception):
    """The bytes are no protobuf message of the kind expected."""


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """The varint at `position` and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise MalformedError("it ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise MalformedError("a number is longer than 10 bytes")


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers of a message with their values: an int for a varint, the bytes for everything else."""
    position = 0
    while position < len(data):
        key, start = varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = varint(data, start)
            yield number, value
            continue
        if wire == 2:
            size, start = varint(data, start)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise MalformedError(f"unknown wire type {wire} at byte {position}")
        position = start + size
        if position > len(data):
            raise MalformedError(f"field {number} needs {size} bytes, {len(data) - start} are left")
        yield number, data[start:position]


def text(value: int | memoryview) -> str:
    try:
        return bytes(message(value)).decode()
    except UnicodeDecodeError:
        raise MalformedError("a text is not UTF-8") from None


def message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise MalformedError("a number stands where bytes are expected")
    return value


def number_of(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise MalformedError("bytes stand where a number is expected")
    return value
