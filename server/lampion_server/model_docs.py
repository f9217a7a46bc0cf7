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
from lampion_server import examples
from lampion_server.datatypes import BINARY_ONLY, PROTOCOL_NAMES, Array, protocol_name, to_json
from lampion_server.described import Described
from lampion_server.routes import ROUTES, Route
from lampion_server.tasks import PHOTOS, SOUNDS, task_of
from lampion_server.tasks.records import features
from lampion_server.tasks.task import prediction

# A longer tensor as numbers helps nobody; a longer file slows the page down.
MOST_NUMBERS, MOST_BYTES = 1000, 65536
_JSON = {"BOOL": {"type": "boolean"}, "BYTES": {"type": "string"}}
Arrays = Mapping[str, Array]


def model_operations(session: Described) -> list[tuple[Route, Any, Any]]:
    """The routes for this model's questions, each with its body and the example of its answer, None without one."""
    inputs, outputs = _sample(session)
    infer, predict = (next(r for r in ROUTES if r.path.endswith(verb)) for verb in ("{model}/infer", "{model}/predict"))
    shown = _shown(inputs) and _shown(outputs)
    body = {"schema": _infer_schema(session)} | ({"example": {"inputs": _tensors(inputs)}} if shown else {})
    answered = {"model_name": session.name, "model_version": session.card.version, "outputs": _tensors(outputs)}
    return [
        (infer, {"application/json": body} | examples.RAW_BODY, answered if shown and outputs else None),
        (predict, _predict_body(session, inputs), _predicted(session, outputs)),
    ]


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
    return all(array.size <= MOST_NUMBERS and protocol_name(array) not in BINARY_ONLY for array in arrays.values())


def _tensors(arrays: Arrays) -> list[Any]:
    return [
        {"name": name, "datatype": protocol_name(array), "shape": list(array.shape), "data": _listed(to_json(array))}
        for name, array in arrays.items()
    ]


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
    number = "number" if datatype.startswith(("FP", "BF")) else "integer"
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
                "items": {"anyOf": [_JSON.get(datatype, {"type": number}), {"type": "array"}]},
            },
        },
    }


# --- photos, sounds, records ---


def _predict_body(session: Described, inputs: Arrays) -> dict[str, Any]:
    task = task_of(session.card.task)
    if task is PHOTOS:
        return _file_body(examples.PHOTO_BODY, task.one, _png(next(iter(inputs.values()))))
    if task is SOUNDS:
        rate = session.card.preprocessing.extra.get("rate", 8000) if session.card.preprocessing else 8000
        return _file_body(examples.SOUND_BODY, task.one, _wav(next(iter(inputs.values())), rate))
    record = _record(session, inputs) if _shown(inputs) else None
    example = {} if record is None else {"example": {task.many: [record]}}
    return {"application/json": {"schema": examples.RECORDS_SCHEMA, **example}}


def _file_body(body: Mapping[str, Any], name: str, content: bytes | None) -> dict[str, Any]:
    if content is None or len(content) > MOST_BYTES:
        return dict(body)
    example = {"example": {name: base64.b64encode(content).decode()}}
    return {**body, "application/json": body["application/json"] | example}


def _png(pixels: Array) -> bytes | None:
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels[0].squeeze(-1) if pixels.shape[-1] == 1 else pixels[0]).save(buffer, "PNG")
    return buffer.getvalue()


def _wav(samples: Array, rate: int) -> bytes | None:
    if samples.dtype != np.float32 or not samples.size:
        return None
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(samples.ravel(), -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _record(session: Described, inputs: Arrays) -> Any:
    if not all(array.ndim and len(array) for array in inputs.values()):
        return None
    rows: dict[str, Any] = {name: array[0].tolist() for name, array in inputs.items()}
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
