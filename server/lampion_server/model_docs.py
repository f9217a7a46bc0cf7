"""What /docs shows of one model: what it takes, with a golden sample as the example, and what it answered to that."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from lampion_edge import EdgeError, TensorSpec
from lampion_edge.sound import rate
from lampion_server import examples
from lampion_server.datatypes import BINARY_ONLY, PROTOCOL_NAMES, Array, protocol_name, to_json
from lampion_server.described import Described
from lampion_server.routes import ROUTES, Route
from lampion_server.tasks import PHOTOS, RECORDS, task_of
from lampion_server.tasks.records import features, without_rows
from lampion_server.tasks.task import Task, prediction

# A longer tensor as numbers helps nobody; a longer file slows the page down.
MOST_NUMBERS, MOST_BYTES = 1000, 65536
_JSON = {"BOOL": {"type": "boolean"}, "BYTES": {"type": "string"}}
Arrays = Mapping[str, Array]


def model_operations(session: Described) -> list[tuple[Route, Any, Any]]:
    """The routes for this model's questions, each with its body and the example of its answer, None without one."""
    inputs, outputs = _sample(session)
    infer, predict = (next(r for r in ROUTES if r.path.endswith(verb)) for verb in ("{model}/infer", "{model}/predict"))
    shown = _shown(inputs) and _shown(outputs)
    body: dict[str, Any] = {"schema": _infer_schema(session)}
    if shown:
        body["example"] = {"inputs": _tensors(inputs)} | _listed_outputs(session)
    answered = {"model_name": session.name, "model_version": session.card.version, "outputs": _tensors(outputs)}
    operations = [(infer, {"application/json": body} | examples.RAW_BODY, answered if shown and outputs else None)]
    if task_of(session.card.task) is not RECORDS or without_rows(session) is None:
        operations.append((predict, *_predict(session, inputs, outputs)))
    return operations


def _sample(session: Described) -> tuple[Arrays, Arrays]:
    """The first row of the first golden sample; zeros and no outputs where there is none."""
    try:
        golden = session.golden
    except EdgeError:
        golden = None
    if golden and golden.samples:
        inputs, outputs = golden.samples[0]
        if all(_batched(spec) for spec in (*session.inputs, *session.outputs)):
            return {name: array[:1] for name, array in inputs.items()}, {name: a[:1] for name, a in outputs.items()}
        return inputs, outputs
    return {spec.name: _zeros(spec) for spec in session.inputs if spec.dtype in PROTOCOL_NAMES}, {}


def _batched(spec: TensorSpec) -> bool:
    return bool(spec.shape) and isinstance(spec.shape[0], str)


def _zeros(spec: TensorSpec) -> Array:
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    return np.full(shape, "", object) if spec.dtype == "string" else np.zeros(shape, spec.dtype)


# --- tensors ---


def _shown(arrays: Arrays) -> bool:
    return all(
        array.size <= MOST_NUMBERS
        and protocol_name(array) not in BINARY_ONLY
        and (array.dtype.kind != "f" or bool(np.isfinite(array).all()))  # JSON knows no others
        for array in arrays.values()
    )


def _tensors(arrays: Arrays) -> list[Any]:
    return [
        {"name": name, "datatype": protocol_name(array), "shape": list(array.shape), "data": _listed(to_json(array))}
        for name, array in arrays.items()
    ]


def _listed_outputs(session: Described) -> dict[str, Any]:
    """The wanted outputs, where they have to be listed, for some can't be answered."""
    names = [spec.name for spec in session.outputs if spec.dtype in PROTOCOL_NAMES]
    return {"outputs": [{"name": name} for name in names]} if len(names) < len(session.outputs) else {}


def _listed(values: Any) -> Any:
    return values if isinstance(values, list) else values.tolist()


def _infer_schema(session: Described) -> dict[str, Any]:
    outputs = {"type": "object", "required": ["name"], "properties": {"name": {"enum": _names(session.outputs)}}}
    tensors = [_tensor_schema(spec) for spec in session.inputs]
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": {"type": ["object", "null"]},
            "inputs": {
                "type": "array",
                "minItems": len(tensors),
                "maxItems": len(tensors),
                "items": tensors[0] if len(tensors) == 1 else {"anyOf": tensors},
            },
            "outputs": {"type": ["array", "null"], "items": outputs},
        },
    }


def _names(specs: Sequence[TensorSpec]) -> list[str]:
    return [spec.name for spec in specs]


def _tensor_schema(spec: TensorSpec) -> dict[str, Any]:
    datatype = PROTOCOL_NAMES.get(spec.dtype, spec.dtype)
    rank = {"minItems": len(spec.shape), "maxItems": len(spec.shape)} if spec.shape else {}
    return {
        "type": "object",
        "description": f"{spec.name}: {spec}",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": {"enum": [spec.name]},
            "datatype": {"enum": [datatype]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, **rank},
            "data": {
                "description": "flat, row-major, or nested as the shape",
                "type": "array",
                "items": {"anyOf": [_element(datatype), {"type": "array"}]},
            },
        },
    }


def _element(datatype: str) -> dict[str, Any]:
    number = "number" if datatype.startswith(("FP", "BF")) else "integer"
    return _JSON.get(datatype, {"type": number})


# --- photos, sounds, records ---


def _predict(session: Described, inputs: Arrays, outputs: Arrays) -> tuple[Any, Any]:
    """The body that predict takes, and what it answers to the body's example."""
    task = task_of(session.card.task)
    if task is RECORDS:
        record = _record(session, inputs) if _shown(inputs) else None
        example = {} if record is None else {"example": {task.many: [record]}}
        schema = examples.records_schema(_record_schema(session))
        return {"application/json": {"schema": schema, **example}}, _predicted(session, outputs)
    file = _file(session, inputs)
    if file is not None and len(file) > MOST_BYTES:  # what is all alike is short
        file, outputs = _file(session, {name: np.zeros_like(array) for name, array in inputs.items()}), {}
    if file is None or len(file) > MOST_BYTES:
        return _body(task), None
    return _body(task, {task.one: base64.b64encode(file).decode()}), _predicted(session, outputs)


def _body(task: Task, example: Any = None) -> dict[str, Any]:
    """A file as the body, in a form, or in JSON, of which there may be an example."""
    body = examples.PHOTO_BODY if task is PHOTOS else examples.SOUND_BODY
    json = {"schema": body["application/json"]["schema"]} | ({"example": example} if example else {})
    return {**body, "application/json": json}


def _file(session: Described, inputs: Arrays) -> bytes | None:
    first = next(iter(inputs.values()))
    if task_of(session.card.task) is PHOTOS:
        return _png(first)
    return _wav(first, rate(session.card) or 8000)


def _png(pixels: Array) -> bytes | None:
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels[0].squeeze(-1) if pixels.shape[-1] == 1 else pixels[0]).save(buffer, "PNG")
    return buffer.getvalue()


def _wav(samples: Array, hertz: int) -> bytes | None:
    if samples.dtype != np.float32 or not samples.size:
        return None
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, hertz, 0, "NONE", ""))
        file.writeframes((np.clip(samples.ravel(), -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _record_schema(session: Described) -> dict[str, Any]:
    columns = features(session)
    values = {name: _value(session.inputs[0].dtype, 0) for name in columns} or {
        spec.name: _value(spec.dtype, len(spec.shape) - 1) for spec in session.inputs
    }
    named = {"type": "object", "required": list(values), "properties": values, "additionalProperties": False}
    return {"anyOf": [named, {"type": "array"}]} if len(session.inputs) == 1 else named


def _value(dtype: str, axes: int) -> dict[str, Any]:
    """The schema of nested lists of values."""
    schema = _element(PROTOCOL_NAMES.get(dtype, dtype))
    for _ in range(axes):
        schema = {"type": "array", "items": schema}
    return schema


def _record(session: Described, inputs: Arrays) -> Any:
    if not all(array.ndim and len(array) for array in inputs.values()):
        return None
    rows: dict[str, Any] = {name: np.asarray(array[0]).tolist() for name, array in inputs.items()}
    columns = features(session)
    return dict(zip(columns, next(iter(rows.values())), strict=True)) if columns else rows


def _predicted(session: Described, outputs: Arrays) -> Any:
    """What predict answers to the example, with the numbers as plain lists."""
    if not outputs or not _shown(outputs):
        return None
    try:
        told = prediction(session, outputs, None, 0.0)
    except (EdgeError, ValueError):  # several rows, or a sample that predates the card
        return None
    if "outputs" in told:
        told = {"outputs": {name: np.asarray(value).tolist() for name, value in told["outputs"].items()}}
    return {"model": session.name, "version": session.card.version, "predictions": [told]}
