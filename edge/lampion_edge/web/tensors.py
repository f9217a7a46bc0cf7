"""Tensors in a request and an answer of the Open Inference Protocol v2, from the server's side."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion_edge.errors import InputError
from lampion_edge.inputs import numeric
from lampion_edge.tensor_message import JSON_LENGTH, datatype, to_array, to_bytes
from lampion_edge.web.messages import Answer, Request
from lampion_edge.web.uploads import json_object

if TYPE_CHECKING:
    from lampion_edge.golden import Array


@dataclass(frozen=True)
class Asked:
    """Arrays by name, the wanted outputs (None for all), each with whether it shall come as bytes."""

    id: str | None
    inputs: dict[str, Array]
    outputs: dict[str, bool] | None
    binary: bool


def read(request: Request) -> Asked:
    """What is asked. Raises InputError, whose field is the place in the JSON."""
    length = next((value for key, value in request.headers.items() if key.lower() == JSON_LENGTH.lower()), None)
    if length is not None and (not length.isdecimal() or not 0 < int(length) <= len(request.body)):
        raise InputError(
            f"{JSON_LENGTH}: expected 1 to {len(request.body)} bytes, got {length!r:.40}", field=JSON_LENGTH
        )
    end = len(request.body) if length is None else int(length)
    asked, start, inputs = json_object(request.body[:end]), end, {}
    try:
        binary = bool(_parameters(asked).get("binary_data_output"))
        for tensor in asked["inputs"]:
            size = _parameters(tensor).get("binary_data_size")
            data = tensor["data"] if size is None else request.body[start : start + size]
            start += size or 0
            inputs[tensor["name"]] = _checked(tensor, data)
        wanted = asked.get("outputs")
        outputs = None if wanted is None else {each["name"]: _binary(each, binary) for each in wanted}
    except (KeyError, TypeError, ValueError, AttributeError, struct.error, IndexError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"the body is no request of the Open Inference Protocol: {reason}", field="inputs") from None
    if start != len(request.body):
        raise InputError(f"the tensors take {start} bytes, the body has {len(request.body)}", field="inputs")
    return Asked(asked.get("id"), inputs, outputs, binary)


def answer(asked: Asked, model: str, version: str, outputs: Mapping[str, Array]) -> Answer:
    """The outputs as was asked. Raises InputError for numbers that JSON can't hold."""
    entries, blocks = [], []
    for name, array in outputs.items():
        entry: dict[str, Any] = {"name": name, "datatype": datatype(array, name), "shape": array.shape}
        if asked.outputs[name] if asked.outputs else asked.binary:
            blocks.append(to_bytes(array))
            entry["parameters"] = {"binary_data_size": len(blocks[-1])}
        else:
            entry["data"] = _listed(name, array)
        entries.append(entry)
    told = {"model_name": model, "model_version": version, "outputs": entries}
    head = json.dumps(told | ({"id": asked.id} if asked.id else {})).encode()
    if not blocks:
        return Answer(head)
    return Answer(b"".join([head, *blocks]), "application/octet-stream", headers={JSON_LENGTH: str(len(head))})


def _parameters(value: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = value.get("parameters") or {}
    return parameters


def _binary(output: Mapping[str, Any], default: bool) -> bool:
    return bool(_parameters(output).get("binary_data", default))


def _checked(tensor: Mapping[str, Any], data: Any) -> Array:
    array, shape = _array(str(tensor["name"]), data, tensor["datatype"]), tensor["shape"]
    if not all(isinstance(size, int) and size >= 0 for size in shape) or array.size != np.prod(shape, dtype=np.int64):
        raise InputError(
            f"input {tensor['name']!r}: shape {shape} doesn't hold {array.size} elements", field=str(tensor["name"])
        )
    return array.reshape(shape)


def _array(name: str, data: Any, kind: str) -> Array:
    """From bytes, or from JSON's numbers if none of them changes by it."""
    if isinstance(data, bytes) or kind == "BYTES":
        return to_array(data, kind)
    array = numeric(np.asarray(data), to_array(b"", kind).dtype.name, typed=False)
    if array is None:
        raise InputError(f"input {name!r}: its data are not all of {kind}", field=name)
    return array


def _listed(name: str, array: Array) -> list[Any]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        hint = 'ask for it as bytes: {"parameters": {"binary_data_output": true}}'
        raise InputError(f"output {name!r} has NaN or infinity, which JSON can't hold", field=name, hint=hint)
    values: list[Any] = array.ravel().tolist()
    return values
