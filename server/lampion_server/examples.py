"""Requests and answers as /docs shows them; the tests send these very requests."""

from __future__ import annotations

from typing import Any

MODEL = "iris"
PHOTO_MODEL = "digits"

INFER_REQUEST = {
    "id": "42",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}],
}
INFER_ANSWER = {
    "id": "42",
    "model_name": MODEL,
    "model_version": "1",
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [0.97, 0.02, 0.01]}],
}
METADATA = {
    "name": MODEL,
    "versions": ["1"],
    "platform": "onnxruntime_onnx",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
}
CONFIG = {
    "name": MODEL,
    "platform": "onnxruntime_onnx",
    "backend": "onnxruntime",
    "max_batch_size": 32,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [3]}],
    "instance_group": [{"name": MODEL, "kind": "KIND_CPU", "count": 1}],
    "default_model_filename": "model.onnx",
    "parameters": {"task": {"string_value": "tensor"}},
    "dynamic_batching": {"max_queue_delay_microseconds": 0},
}
_ONCE, _NEVER = {"count": 1, "ns": 40000}, {"count": 0, "ns": 0}
STATS = {
    "model_stats": [
        {
            "name": MODEL,
            "version": "1",
            "last_inference": 1700000000000,
            "inference_count": 1,
            "execution_count": 1,
            "inference_stats": {
                "success": {"count": 1, "ns": 90000},
                "fail": _NEVER,
                "queue": {"count": 1, "ns": 50000},
                "compute_input": {"count": 1, "ns": 0},
                "compute_infer": _ONCE,
                "compute_output": {"count": 1, "ns": 0},
                "cache_hit": _NEVER,
                "cache_miss": _NEVER,
            },
            "batch_stats": [
                {"batch_size": 1, "compute_input": _NEVER, "compute_infer": _ONCE, "compute_output": _NEVER}
            ],
            "memory_usage": [],
        }
    ]
}
SERVER = {
    "name": "lampion",
    "version": "0.1.0",
    "extensions": [
        "binary_tensor_data",
        "classification",
        "model_configuration",
        "model_repository",
        "parameters",
        "statistics",
    ],
}
INDEX = [{"name": MODEL, "version": "1", "state": "READY", "reason": ""}]
PREDICT_JSON = {"image": "iVBORw0KGgo..."}
PREDICT_ANSWER = {
    "model": PHOTO_MODEL,
    "version": "1",
    "predictions": [{"labels": [{"label": "7", "probability": 0.94, "index": 7}]}],
}
MODELS = {"models": [{"name": MODEL, "version": "1", "state": "READY", "reason": "", "card": {"task": "tensor"}}]}
ERROR = {
    "error": "inputs[0].data: expected 4 elements for shape [1, 4], got 3",
    "code": "BAD_REQUEST",
    "field": "inputs[0].data",
    "hint": None,
}

_STRING = {"type": "string"}
# What may be left out may as well be null: many clients send it so.
_MAYBE_STRING, _MAYBE_OBJECT = {"type": ["string", "null"]}, {"type": ["object", "null"]}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_SIZES = {"type": "array", "items": {"type": "integer", "minimum": 0}}
INFER_SCHEMA = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": _MAYBE_STRING,
        "parameters": _MAYBE_OBJECT,
        "inputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "datatype", "shape"],
                "properties": {"name": _STRING, "datatype": _STRING, "shape": _SIZES, "parameters": _MAYBE_OBJECT},
            },
        },
        "outputs": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": _STRING, "parameters": _MAYBE_OBJECT},
            },
        },
    },
}
RAW_BODY = {"application/octet-stream": _BINARY}
TENSOR_BODY = {"application/json": {"schema": INFER_SCHEMA, "example": INFER_REQUEST}} | RAW_BODY
INDEX_BODY = {
    "application/json": {
        "schema": {"type": "object", "properties": {"ready": {"type": ["boolean", "null"]}}},
        "example": {"ready": True},
    }
}


RECORDS = {"new": 1}
RECORDS_BODY = {
    "application/x-ndjson": {
        "schema": {"type": "string"},
        "example": '{"id": "5f0c5f0c5f0c5f0c-1", "number": 1, "kind": "event", "event": "begin", "label": "7"}\n',
    }
}


def _file_body(kind: str, one: str, many: str, example: Any) -> dict[str, Any]:
    """A file as the body, files in a form, or base64 in JSON."""
    files = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    form = {"type": "object", "required": [one], "properties": {one: files}}
    alone = {"type": "object", "required": [one], "properties": {one: _STRING}}
    together = {"type": "object", "required": [many], "properties": {many: {"type": "array", "items": _STRING}}}
    return {
        kind: _BINARY,
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": {"oneOf": [alone, together]}, "example": example},
    }


PHOTO_BODY = _file_body("image/*", "image", "images", PREDICT_JSON)
SOUND_BODY = _file_body("audio/wav", "sound", "sounds", {"sound": "UklGRiQAAABXQVZF..."})


def records_schema(record: dict[str, Any]) -> dict[str, Any]:
    """Of what may be sent to a model whose records are like that."""
    many = {"type": "array", "minItems": 1, "items": record}
    return {
        "oneOf": [
            {"type": "object", "required": ["records"], "properties": {"records": many}},
            {"type": "object", "required": ["record"], "properties": {"record": record}},
            many,
        ]
    }


# What a model takes depends on its card; its own entry in the document says it exactly.
PREDICT_BODY = {
    "image/*": _BINARY,
    "audio/wav": _BINARY,
    "multipart/form-data": PHOTO_BODY["multipart/form-data"],
    "application/json": {"schema": {"type": ["object", "array"]}, "example": PREDICT_JSON},
}
JSON_LENGTH = [
    {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "bytes of JSON before the binary tensors; 0 for a body that is one raw tensor; without it all is JSON",
        "schema": {"type": "integer", "minimum": 0},
    }
]
PHOTO_QUERY = [
    {
        "name": "top",
        "in": "query",
        "description": "labels per photo, by default the card's top_k",
        "schema": {"type": "integer", "minimum": 1},
    },
    {
        "name": "threshold",
        "in": "query",
        "description": "least probability of a label that is listed",
        "schema": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
    },
]


RELEASE = {"signed": '{"schema": 1, "name": "digits", ...}', "key": "a55ce96ffe3aa023", "signature": "cAOH1E..."}
FILE = b""  # any bytes


def path_parameters(path: str) -> list[dict[str, Any]]:
    """OpenAPI's description of the `{names}` in a path."""
    examples = {
        "model": PHOTO_MODEL if path.startswith("/v1") else MODEL,
        "version": "1",
        "file": f"{PHOTO_MODEL}.onnx",
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "example": example}
        for name, example in examples.items()
        if f"{{{name}}}" in path
    ]


TRAFFIC = {"stable": "2", "previous": "1", "canary": None, "percent": 0.0, "shadow": None, "report": None}
_VERSION = {"name": "version", "in": "query", "description": "a version that is served", "schema": {"type": "string"}}
_PERCENT = {
    "name": "percent",
    "in": "query",
    "description": "its share of the requests, by default the setting canary_percent",
    "schema": {"type": "number", "minimum": 0, "maximum": 100},
}
STEER_QUERY: dict[str, list[dict[str, Any]]] = {
    "promote": [_VERSION | {"required": True}],
    "rollback": [],
    "canary": [_VERSION | {"required": True}, _PERCENT],
    "shadow": [_VERSION],
}
