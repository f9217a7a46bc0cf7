"""JSON schemas made from examples, so that an example and its schema can't come to disagree."""

from __future__ import annotations

from typing import Any

# Keys that an answer may lack, and those whose values are the model's own affair.
OPTIONAL = frozenset({"id", "data", "parameters", "dynamic_batching"})
OPEN: dict[str, dict[str, Any]] = {
    "canary": {"type": ["string", "null"]},
    "card": {"type": ["object", "null"]},
    "data": {"type": "array"},
    "field": {"type": ["string", "null"]},
    "hint": {"type": ["string", "null"]},
    "parameters": {"type": "object"},
    "previous": {"type": ["string", "null"]},
    "report": {"type": ["object", "null"]},
    "shadow": {"type": ["string", "null"]},
    "predictions": {"type": "array", "items": {"type": "object"}},
}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def schema_of(example: Any) -> dict[str, Any]:
    """The schema of values like `example`: of an object its keys, of a list its first item."""
    if isinstance(example, dict):
        properties = {key: OPEN.get(key) or schema_of(value) for key, value in example.items()}
        return {"type": "object", "properties": properties, "required": [key for key in example if key not in OPTIONAL]}
    if isinstance(example, list):
        return {"type": "array", "items": schema_of(example[0]) if example else {}}
    return {"type": _TYPES[type(example)]}
