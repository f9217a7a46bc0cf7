"""A request and an answer of the Open Inference Protocol v2 with its binary tensor extension, from the client's side."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion_edge.errors import InputError, ServiceError

if TYPE_CHECKING:
    from lampion_edge.golden import Array

JSON_LENGTH = "Inference-Header-Content-Length"
_KINDS = {"f": "FP", "i": "INT", "u": "UINT"}


def written(inputs: Mapping[str, object], outputs: Sequence[str] | None) -> tuple[bytes, int]:
    """The body of a request for these arrays, and the length of the JSON at its beginning. Raises InputError."""
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    blocks = [to_bytes(array) for array in arrays.values()]
    sizes = [{"binary_data_size": len(block)} for block in blocks]
    request: dict[str, Any] = {
        "inputs": [
            {"name": name, "datatype": datatype(array, name), "shape": array.shape, "parameters": size}
            for (name, array), size in zip(arrays.items(), sizes, strict=True)
        ],
        "parameters": {"binary_data_output": True},
    }
    if outputs is not None:
        request["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    head = json.dumps(request).encode()
    return b"".join([head, *blocks]), len(head)


def written_as_json(inputs: Mapping[str, Array]) -> bytes:
    """The same request with the numbers as text, as it is without the extension. Raises InputError."""
    described = [
        {"name": name, "datatype": datatype(array, name), "shape": array.shape, "data": array.ravel().tolist()}
        for name, array in inputs.items()
    ]
    return json.dumps({"inputs": described}).encode()


def read(body: bytes, length: int) -> dict[str, Array]:
    """The arrays of an answer by name. Raises ServiceError if it isn't one."""
    try:
        answer, start, arrays = json.loads(body[:length]), length, {}
        for output in answer["outputs"]:
            size = output.get("parameters", {}).get("binary_data_size")
            data = output["data"] if size is None else body[start : start + size]
            start += size or 0
            arrays[output["name"]] = to_array(data, output["datatype"]).reshape(output["shape"])
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ServiceError(f"the answer is none of the Open Inference Protocol: {error}") from None
    return arrays


def datatype(array: Array, name: str) -> str:
    """The protocol's name of an array's dtype. Raises InputError for one that it has no name for."""
    if array.dtype.kind in "OUS":
        return "BYTES"
    if array.dtype.kind == "b":
        return "BOOL"
    if array.dtype.kind not in _KINDS:
        raise InputError(f"input {name!r}: expected numbers, truth values or texts, got {array.dtype}", field=name)
    return f"{_KINDS[array.dtype.kind]}{8 * array.dtype.itemsize}"


def protocol_name(dtype: str) -> str:
    """The protocol's name of a dtype on a card."""
    if dtype == "string":
        return "BYTES"
    try:
        return datatype(np.empty(0, dtype), "")
    except (TypeError, InputError):  # bfloat16, which numpy doesn't know
        return {"bfloat16": "BF16"}.get(dtype, dtype.upper())


def to_bytes(array: Array) -> bytes:
    """The elements in row-major order, little-endian; each text behind its length."""
    if array.dtype.kind in "OUS":
        texts = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel()]
        return b"".join(struct.pack("<I", len(item)) + item for item in texts)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def to_array(data: Any, name: str) -> Array:
    """An array from bytes, or from numbers as JSON has them, by the protocol's name of its dtype."""
    if name == "BYTES":
        return np.array(_texts(data) if isinstance(data, bytes) else data, dtype=object)
    kind = _dtype(name).newbyteorder("<")
    return np.frombuffer(data, kind) if isinstance(data, bytes) else np.array(data, kind)


def dtype(datatype: str, name: str) -> np.dtype[Any]:
    """The numpy dtype of the protocol's name for it. Raises InputError for one that numpy doesn't have."""
    try:
        return _dtype(datatype)
    except TypeError:
        raise InputError(f"input {name!r}: numpy has no {datatype}", field=name) from None


def _dtype(datatype: str) -> np.dtype[Any]:
    return np.dtype("bool" if datatype == "BOOL" else datatype.replace("FP", "float").lower())


def _texts(data: bytes) -> list[str]:
    texts, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        texts.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return texts
