"""The names that the Open Inference Protocol gives to dtypes, and arrays to and from its two forms: JSON and bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lampion_server.errors import BadRequestError
from lampion_server.numbers import Numbers

Array = NDArray[Any]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)  # importing it is also what makes np.dtype("bfloat16") known
# Protocol name to the name in a card.
NUMPY_NAMES = {
    "BOOL": "bool",
    **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BYTES": "string",
    "BF16": "bfloat16",
}
PROTOCOL_NAMES = {numpy_name: name for name, numpy_name in NUMPY_NAMES.items()}
_NAMES = {np.dtype(numpy_name): name for numpy_name, name in PROTOCOL_NAMES.items() if name != "BYTES"}
BINARY_ONLY = ("FP16", "BF16")
# By kind of dtype: what JSON data may consist of.
_JSON_TYPES: dict[str, tuple[str, set[type]]] = {
    "b": ("true or false", {bool}),
    "i": ("integers", {int}),
    "u": ("integers", {int}),
    "f": ("numbers", {int, float}),
    "O": ("strings", {str}),
}


def protocol_name(array: Array) -> str:
    """The datatype that the protocol has for an array; texts are BYTES."""
    return "BYTES" if array.dtype.kind in "OUST" else _NAMES[array.dtype]


def numpy_dtype(datatype: str, field: str) -> np.dtype[Any]:
    """The little-endian dtype of a protocol name; object for BYTES. Raises `BadRequestError` for an unknown one."""
    if datatype not in NUMPY_NAMES:
        raise BadRequestError(f"{field}: expected one of {', '.join(NUMPY_NAMES)}, got {datatype!r:.80}", field=field)
    return _WIRE[datatype]


@cache
def _little_endian(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype == BFLOAT16 else dtype.newbyteorder("<")  # bfloat16 exists in the machine's order alone


_WIRE = {
    name: np.dtype(object) if name == "BYTES" else _little_endian(np.dtype(numpy_name))
    for name, numpy_name in NUMPY_NAMES.items()
}

# A shape beyond this no array can have, be it empty or not: numpy counts bytes in 63 bits, and axes to 64.
MOST_ELEMENTS, MOST_AXES = 2**58, 32


def check_shape(shape: Sequence[int], field: str) -> None:
    """Check that an array can have these sizes. Raises `BadRequestError` naming `field`."""
    if len(shape) > MOST_AXES:
        raise BadRequestError(f"{field}: expected at most {MOST_AXES} axes, got {len(shape)}", field=field)
    elements = 1
    for size in shape:
        if type(size) is not int or size < 0:
            raise BadRequestError(f"{field}: expected sizes of at least 0, got {list(shape)!r:.80}", field=field)
        elements *= size or 1
    if elements > MOST_ELEMENTS:
        raise BadRequestError(f"{field}: no tensor is as large as {list(shape)!r:.80}", field=field)


# --- JSON ---


def from_json(data: object, datatype: str, shape: tuple[int, ...], field: str) -> Array:
    """An array from flat or nested JSON numbers (a list or `Numbers`), truth values or strings.

    Raises `BadRequestError` naming `field` when kind, count, nesting or range don't fit; nothing is rounded to an
    integer, and null is no number.
    """
    dtype = numpy_dtype(datatype, field)
    if datatype in BINARY_ONLY:
        hint = "send it as binary data: parameters.binary_data_size and the bytes after the JSON"
        raise BadRequestError(f"{field}: {datatype} can't be sent as JSON", field=field, hint=hint)
    if isinstance(data, Numbers):
        if (read := data.array(dtype, shape)) is not None:
            return _shaped(read, shape, field)
        data = data.items()
    if not isinstance(data, list):
        raise BadRequestError(f"{field}: expected a list, got {type(data).__name__}", field=field)
    items, nesting = _unnested(data, field)
    array = _floats(items, dtype) if dtype.kind == "f" else None
    if array is None:
        array = _in_range(_checked(items, datatype, dtype.kind, field), datatype, dtype, field)
    if len(nesting) > 1 and nesting != shape:
        raise BadRequestError(
            f"{field}: is nested as {list(nesting)!r:.80}, but the shape is {list(shape)}", field=field
        )
    return _shaped(array, shape, field)


def to_json(array: Array) -> Any:
    """The array flat, in row-major order, as orjson takes it; NaN and infinities become null."""
    return texts(array) if array.dtype.kind in "OUST" else np.ascontiguousarray(array).ravel()


def texts(array: Array) -> list[str]:
    """The texts in an array, in row-major order."""
    return [item.decode(errors="replace") if isinstance(item, bytes) else str(item) for item in array.ravel()]


def _unnested(data: list[Any], field: str) -> tuple[list[Any], tuple[int, ...]]:
    """The items of nested lists in row-major order, and the shape of the nesting."""
    shape = [len(data)]
    while data and isinstance(data[0], list):
        lengths = {len(part) if isinstance(part, list) else None for part in data}
        if len(lengths) > 1:
            raise BadRequestError(f"{field}: the nested lists are of unequal length", field=field)
        data = [item for part in data for item in part]
        shape.append(len(data) // max(1, prod(shape)))
    return data, tuple(shape)


def _floats(items: list[Any], dtype: np.dtype[Any]) -> Array | None:
    """The same as `_in_range(_checked(...))` in a third of the time, None where these have something to complain about."""
    try:
        values = np.frombuffer(struct.pack(f"{len(items)}d", *items))
        with np.errstate(over="raise"):
            array = values.astype(dtype)
    except (struct.error, OverflowError, FloatingPointError):
        return None
    suspects = ((values == 0) | (values == 1)).nonzero()[0].tolist()  # nothing else can have been a truth value
    return None if bool in map(type, map(items.__getitem__, suspects)) else array


def _checked(items: list[Any], datatype: str, kind: str, field: str) -> list[Any]:
    """The items, if their Python types are those of the datatype: numpy would convert true to 1 and 1.5 to 1."""
    expected, types = _JSON_TYPES[kind]
    if set(map(type, items)) <= types:
        return items
    offender = next(item for item in items if type(item) not in types)
    raise BadRequestError(f"{field}: expected {expected} for {datatype}, got {offender!r:.80}", field=field)


def _in_range(items: list[Any], datatype: str, dtype: np.dtype[Any], field: str) -> Array:
    try:
        with np.errstate(over="raise"):
            # By way of float64, because only a cast tells of an overflow.
            return np.array(items, np.float64).astype(dtype) if dtype.kind == "f" else np.array(items, dtype)
    except (OverflowError, FloatingPointError):
        raise BadRequestError(f"{field}: a value is out of the range of {datatype}", field=field) from None


def _shaped(array: Array, shape: tuple[int, ...], field: str) -> Array:
    if array.size != prod(shape):
        message = f"{field}: expected {prod(shape)} elements for shape {list(shape)}, got {array.size}"
        raise BadRequestError(message, field=field)
    return array.reshape(shape)


# --- bytes ---


def from_bytes(raw: memoryview, datatype: str, shape: tuple[int, ...], field: str) -> Array:
    """An array from its raw little-endian bytes; BYTES elements are a uint32 length and UTF-8 text.

    Raises `BadRequestError` naming `field` when the size doesn't fit the shape.
    """
    dtype = numpy_dtype(datatype, field)
    if datatype == "BYTES":
        return _shaped(np.array(_length_prefixed(raw, field), dtype=object), shape, field)
    size = prod(shape) * dtype.itemsize
    if len(raw) != size:
        message = f"{field}: expected {size} bytes for {datatype} of shape {list(shape)}, got {len(raw)}"
        raise BadRequestError(message, field=field)
    if datatype == "BOOL":
        return np.frombuffer(raw, np.uint8).astype(bool).reshape(shape)
    array = np.ndarray(shape, dtype, raw)
    return array if array.flags.aligned else array.copy()


def to_bytes(array: Array) -> bytes:
    """The array's raw little-endian bytes, row-major; texts each with their length before them."""
    if array.dtype.kind in "OUST":
        encoded = (text.encode() for text in texts(array))
        return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    return array.astype(_little_endian(array.dtype), copy=False).tobytes()


def _length_prefixed(raw: memoryview, field: str) -> list[str]:
    found: list[str] = []
    position = 0
    while position < len(raw):
        (length,) = struct.unpack("<I", bytes(raw[position : position + 4]).ljust(4, b"\xff"))
        text = bytes(raw[position + 4 : position + 4 + length])
        if len(text) != length:
            message = f"{field}: element {len(found)} announces {length} bytes, {len(text)} are left"
            raise BadRequestError(message, field=field)
        try:
            found.append(text.decode())
        except UnicodeDecodeError:
            raise BadRequestError(f"{field}: element {len(found)} is not UTF-8 text", field=field) from None
        position += 4 + length
    return found
