"""Tensors of gRPC messages to arrays and back: raw bytes, or typed contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from lampion_server.datatypes import (
    BINARY_ONLY,
    Array,
    check_shape,
    from_bytes,
    numpy_dtype,
    protocol_name,
    texts,
    to_bytes,
)
from lampion_server.errors import BadRequestError, UnsupportedError
from lampion_server.infer import at_most

# The field of InferTensorContents that holds a datatype.
CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def read_tensors(tensors: Sequence[Any], raw: Sequence[bytes]) -> dict[str, Array]:
    """The arrays of a request's inputs, out of `raw` if there is any.

    Raises `BadRequestError` naming the field, and `UnsupportedError` for shared memory.
    """
    if raw and len(raw) != len(tensors):
        message = f"raw_input_contents: expected {len(tensors)}, one for each input, got {len(raw)}"
        raise BadRequestError(message, field="raw_input_contents")
    arrays: dict[str, Array] = {}
    for index, tensor in enumerate(at_most(tensors, "inputs")):
        path = f"inputs[{index}]"
        _check_tensor(tensor, path, arrays)
        arrays[tensor.name] = _from_raw(tensor, raw[index], path) if raw else _from_contents(tensor, path)
    return arrays


def _check_tensor(tensor: Any, path: str, seen: Mapping[str, Array]) -> None:
    if not tensor.name or tensor.name in seen:
        message = f"{path}.name: expected a name of its own, got {tensor.name!r:.80}"
        raise BadRequestError(message, field=f"{path}.name")
    if "shared_memory_region" in tensor.parameters:
        region, hint = f"{path}.parameters.shared_memory_region", "send the tensor in raw_input_contents"
        raise UnsupportedError(f"{region}: this server shares no memory", field=region, hint=hint)
    check_shape(tensor.shape, f"{path}.shape")
    numpy_dtype(tensor.datatype, f"{path}.datatype")


def _from_raw(tensor: Any, raw: bytes, path: str) -> Array:
    if tensor.HasField("contents") and tensor.contents.ListFields():
        raise BadRequestError(f"{path}: has both contents and raw_input_contents", field=f"{path}.contents")
    return from_bytes(memoryview(raw), tensor.datatype, tuple(tensor.shape), path)


def _from_contents(tensor: Any, path: str) -> Array:
    datatype, shape = tensor.datatype, tuple(tensor.shape)
    if datatype in BINARY_ONLY:
        field, hint = f"{path}.datatype", "send the tensor in raw_input_contents"
        raise BadRequestError(f"{field}: {datatype} has no typed contents", field=field, hint=hint)
    field = CONTENTS[datatype]
    if others := [other.name for other, _ in tensor.contents.ListFields() if other.name != field]:
        message = f"{path}.contents: expected {field} for {datatype}, got {', '.join(others)}"
        raise BadRequestError(message, field=f"{path}.contents.{others[0]}")
    values = getattr(tensor.contents, field)
    if len(values) != prod(shape):
        message = f"{path}.contents.{field}: expected {prod(shape)} elements for {list(shape)}, got {len(values)}"
        raise BadRequestError(message, field=f"{path}.contents.{field}")
    return _array(values, datatype, f"{path}.contents.{field}").reshape(shape)


def _array(values: Sequence[Any], datatype: str, field: str) -> Array:
    try:
        if datatype == "BYTES":
            return np.array([value.decode() for value in values], object)
        return np.array(list(values), numpy_dtype(datatype, field))  # a list, since only Python's numbers can overflow
    except UnicodeDecodeError:
        raise BadRequestError(f"{field}: expected UTF-8 texts", field=field) from None
    except OverflowError:
        raise BadRequestError(f"{field}: a value is out of the range of {datatype}", field=field) from None


def write_tensors(outputs: Mapping[str, Array], response: Any, *, raw: bool) -> None:
    """Put the arrays into a response; raw also if one of them has no typed contents, since the two can't be mixed."""
    raw = raw or any(protocol_name(array) in BINARY_ONLY for array in outputs.values())
    for name, array in outputs.items():
        tensor = response.outputs.add(name=name, datatype=protocol_name(array), shape=array.shape)
        if raw:
            response.raw_output_contents.append(to_bytes(array))
        elif tensor.datatype == "BYTES":
            tensor.contents.bytes_contents.extend(text.encode() for text in texts(array))
        else:
            getattr(tensor.contents, CONTENTS[tensor.datatype]).extend(array.ravel().tolist())
