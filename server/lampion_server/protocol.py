"""The Open Inference Protocol v2: infer requests to arrays, arrays to responses, with the binary tensor extension."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import orjson

from lampion_edge import TensorSpec
from lampion_server import numbers
from lampion_server.datatypes import (
    NUMPY_NAMES,
    PROTOCOL_NAMES,
    Array,
    check_shape,
    from_bytes,
    from_json,
    numpy_dtype,
    protocol_name,
    to_bytes,
    to_json,
)
from lampion_server.errors import BadRequestError, UnsupportedError
from lampion_server.infer import InferRequest, Wanted, at_most

Object = Mapping[str, Any]
# What this server reads from request parameters itself; the rest is the caller's and comes back in the response.
OWN_PARAMETERS = ("binary_data_output", "timeout")
_KIND_NAMES = {dict: "an object", list: "a list", str: "a string", int: "an integer", bool: "true or false"}


# --- requests ---


@dataclass(frozen=True, slots=True)
class Told:
    """What a request says of an input, whose numbers are its `data` or the `size` bytes behind the JSON."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    size: int | None
    data: Any


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A request without its numbers, at least if it is `kept` for others that say the same."""

    inputs: Sequence[Told]
    outputs: dict[str, Wanted] | None
    binary: bool
    id: str | None
    timeout: float | None
    parameters: dict[str, Any]
    kept: bool = False


def read_request(body: bytes, json_length: int | None = None) -> InferRequest:
    """Decode a request; `json_length` tells where the JSON ends and the binary tensors begin (None: all is JSON).

    Raises `BadRequestError`, whose `field` is the path of the wrong value, as in `inputs[0].data`.
    """
    if json_length is not None and not 0 <= json_length <= len(body):
        message = f"Inference-Header-Content-Length: expected 0 to {len(body)}, the size of the body, got {json_length}"
        raise BadRequestError(message, field="Inference-Header-Content-Length")
    text = body if json_length is None else body[:json_length]
    tail = memoryview(body)[len(text) :]
    if found := numbers.apart(text):
        short, long = found
        with suppress(BadRequestError):  # what is wrong is told in the words of what was sent
            head = _head(short)
            if any(told.data == numbers.STAND_IN for told in head.inputs):
                return _request(head, tail, long)
    return _request(_head(text) if tail else _read_head(text), tail)


def _head(text: bytes) -> Head:
    """Numbers aside, callers say the same again and again."""
    return _known_head(text) if len(text) < _SHORT else _read_head(text)


def _request(head: Head, tail: memoryview, long: numbers.Numbers | None = None) -> InferRequest:
    inputs = _read_inputs(head.inputs, tail, long)
    like = head if head.kept else None
    return InferRequest(inputs, head.outputs, head.binary, head.id, head.timeout, head.parameters, like=like)


def _read_head(text: bytes) -> Head:
    request = read_json(text)
    parameters = _take(request, "parameters", dict, "", {})
    binary = _take(parameters, "binary_data_output", bool, "parameters.", False)
    timeout = _counted(_take(parameters, "timeout", int, "parameters.", 0), "parameters.timeout", "microseconds")
    return Head(
        inputs=_read_told(_take(request, "inputs", list, "")),
        outputs=_read_outputs(request, binary),
        binary=binary,
        id=_take(request, "id", str, "", None),
        timeout=timeout / 1e6 if timeout else None,  # in microseconds on the wire
        parameters={name: value for name, value in parameters.items() if name not in OWN_PARAMETERS},
    )


@lru_cache(256)
def _known_head(text: bytes) -> Head:
    return replace(_read_head(text), kept=True)


_SHORT = 1024  # bytes of a head that is worth remembering


def read_raw(body: bytes, specs: Sequence[TensorSpec]) -> InferRequest:
    """Decode a body that is the one tensor of a model with a single input and, at most, one size left open.

    Raises `BadRequestError` when the model or the size doesn't allow that.
    """
    if len(specs) != 1:
        raise BadRequestError(f"a raw tensor: expected a model of one input, got one of {len(specs)}", field="inputs")
    if not body:
        raise BadRequestError("a raw tensor: expected its bytes, got an empty body", field="body")
    (spec,) = specs
    datatype = PROTOCOL_NAMES.get(spec.dtype, spec.dtype)
    if datatype == "BYTES":
        shape: tuple[int, ...] = (1,) * len(spec.shape)
    else:
        numpy_dtype(datatype, "inputs[0].datatype")
        shape = _open_size(spec, len(body))
    return InferRequest({spec.name: from_bytes(memoryview(body), datatype, shape, "inputs[0]")}, binary=True)


def _open_size(spec: TensorSpec, size: int) -> tuple[int, ...]:
    """The shape of `size` raw bytes: one dynamic axis follows from the size; of several the first (the batch) is 1."""
    dynamic = [axis for axis, length in enumerate(spec.shape) if not isinstance(length, int)]
    if len(dynamic) > 2:
        raise BadRequestError(f"a raw tensor: the shape {spec} has too many open sizes", field="inputs[0].shape")
    shape = [length if isinstance(length, int) else 1 for length in spec.shape]
    if dynamic:
        row = prod(shape) * np.dtype(spec.dtype).itemsize
        shape[dynamic[-1]] = size // max(1, row)
    return tuple(shape)


def read_json(body: bytes) -> Object:
    """The JSON object in `body`; raises `BadRequestError` for anything else."""
    request = read_any_json(body)
    if not isinstance(request, dict):
        raise BadRequestError(f"the body: expected a JSON object, got {type(request).__name__}", field="body")
    return request


def read_any_json(body: bytes) -> Any:
    """The JSON in `body`; raises `BadRequestError` if it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = None
        if b"NaN" in body or b"Infinity" in body:
            hint = "NaN and Infinity are not JSON; send such values as binary data"
        elif b"\0" in body[:1024]:
            hint = "a raw tensor wants the header Inference-Header-Content-Length: 0, a photo /v1/models/.../predict"
        raise BadRequestError(f"the body is not valid JSON: {error}", field="body", hint=hint) from None


def read_index(body: bytes) -> bool:
    """Whether a request for the repository's index, whose body may be empty, asks for what is ready alone."""
    return bool(body) and _take(read_json(body), "ready", bool, "", False)


def read_load(body: bytes) -> None:
    """Check a request to load a model, whose body may be empty. Raises `BadRequestError` or `UnsupportedError`."""
    if body:
        check_load(_take(read_json(body), "parameters", dict, "", {}))


def check_load(parameters: Iterable[str]) -> None:
    """Refuse to load a model in another way than it lies on disk; raises `UnsupportedError` naming the parameter."""
    for name in parameters:
        field, hint = f"parameters.{name}", "put the files into the repository, then load"
        raise UnsupportedError(f"{field}: a model is loaded as it lies on disk", field=field, hint=hint)


_REQUIRED = object()


def _take(source: Object, key: str, kind: type, path: str, default: Any = _REQUIRED) -> Any:
    value = source.get(key)
    if value is None:
        if default is _REQUIRED:
            raise BadRequestError(f"{path}{key}: expected {_KIND_NAMES[kind]}, got nothing", field=path + key)
        return default
    if type(value) is not kind:
        raise BadRequestError(f"{path}{key}: expected {_KIND_NAMES[kind]}, got {value!r:.80}", field=path + key)
    return value


def _read_told(tensors: list[Any]) -> list[Told]:
    found: dict[str, Told] = {}
    for index, tensor in enumerate(at_most(tensors, "inputs")):
        path = f"inputs[{index}]"
        name, parameters = _named(tensor, path, found)
        size = _take(parameters, "binary_data_size", int, f"{path}.parameters.", None)
        if size is not None and "data" in tensor:
            raise BadRequestError(f"{path}: has both data and binary_data_size", field=f"{path}.data")
        found[name] = Told(name, *_datatype_and_shape(tensor, path), size, tensor.get("data"))
    return list(found.values())


def _read_inputs(inputs: Sequence[Told], tail: memoryview, long: numbers.Numbers | None) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    position = 0
    for index, told in enumerate(inputs):
        if told.size is None:
            data = long if told.data == numbers.STAND_IN else told.data
            arrays[told.name] = from_json(data, told.datatype, told.shape, f"inputs[{index}].data")
            continue
        arrays[told.name] = _from_tail(told, tail[position:], f"inputs[{index}]")
        position += told.size
    if position != len(tail):
        message = f"the body has {len(tail)} bytes after the JSON, the inputs' binary_data_size claim {position}"
        raise BadRequestError(message, field="inputs")
    return arrays


def _named(tensor: object, path: str, seen: Mapping[str, object]) -> tuple[str, Object]:
    """A tensor's name, which must be new, and its parameters."""
    if not isinstance(tensor, dict):
        raise BadRequestError(f"{path}: expected an object, got {tensor!r:.80}", field=path)
    name: str = _take(tensor, "name", str, f"{path}.")
    if name in seen:
        raise BadRequestError(f"{path}.name: {name!r:.80} is there twice", field=f"{path}.name")
    parameters: Object = _take(tensor, "parameters", dict, f"{path}.", {})
    if "shared_memory_region" in parameters:
        region, hint = f"{path}.parameters.shared_memory_region", "send the tensor as binary data"
        raise UnsupportedError(f"{region}: this server shares no memory", field=region, hint=hint)
    return name, parameters


def _datatype_and_shape(tensor: Object, path: str) -> tuple[str, tuple[int, ...]]:
    datatype = _take(tensor, "datatype", str, f"{path}.")
    if datatype not in NUMPY_NAMES:
        message = f"{path}.datatype: expected one of {', '.join(NUMPY_NAMES)}, got {datatype!r:.80}"
        raise BadRequestError(message, field=f"{path}.datatype")
    shape = _take(tensor, "shape", list, f"{path}.")
    check_shape(shape, f"{path}.shape")
    return datatype, tuple(shape)


def _from_tail(told: Told, tail: memoryview, path: str) -> Array:
    size = told.size or 0
    if not 0 <= size <= len(tail):
        field = f"{path}.parameters.binary_data_size"
        raise BadRequestError(f"{field}: expected at most the {len(tail)} bytes that are left, got {size}", field=field)
    return from_bytes(tail[:size], told.datatype, told.shape, path)


def _read_outputs(request: Object, binary: bool) -> dict[str, Wanted] | None:
    wanted: dict[str, Wanted] = {}
    for index, tensor in enumerate(at_most(_take(request, "outputs", list, "", []), "outputs")):
        path = f"outputs[{index}]"
        name, parameters = _named(tensor, path, wanted)
        as_bytes = _take(parameters, "binary_data", bool, f"{path}.parameters.", binary)
        classes = _take(parameters, "classification", int, f"{path}.parameters.", 0)
        wanted[name] = Wanted(as_bytes, _counted(classes, f"{path}.parameters.classification", "classes"))
    return wanted or None


def _counted(number: int, path: str, what: str) -> int:
    """A number of something. Raises `BadRequestError` if it is negative."""
    if number < 0:
        raise BadRequestError(f"{path}: expected a number of {what}, at least 0, got {number}", field=path)
    return number


# --- responses ---


def write_response(request: InferRequest, model: str, version: str, outputs: Mapping[str, Array]) -> tuple[bytes, int]:
    """The response's body and the length of the JSON in it, which is shorter than the body if tensors follow as bytes.

    JSON data is flat and row-major; NaN and infinities are null there, since JSON lacks them (bytes carry them).
    """
    tensors, tail = [], []
    for name, array in outputs.items():
        tensor: dict[str, Any] = {"name": name, "datatype": protocol_name(array), "shape": array.shape}
        if request.wanted(name).binary:
            tail.append(to_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            tensor["data"] = to_json(array)
        tensors.append(tensor)
    response: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": tensors}
    if request.id is not None:
        response["id"] = request.id
    if request.parameters:
        response["parameters"] = request.parameters
    head = orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join([head, *tail]), len(head)
