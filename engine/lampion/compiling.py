"""`compile`, which lies in the exporter: onnxruntime is no part of the engine."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def compile(function: Any = None, **settings: Any) -> Any:
    """`function` as one graph in onnxruntime; see `lampion_export.compile`. Raises ModuleNotFoundError without the exporter."""
    try:
        exporter = import_module("lampion_export.compiled")
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"compile: expected the package lampion_export with onnx and onnxruntime, but {missing.name} is not installed; "
            "pip install lampion brings it",
            name=missing.name,
        ) from missing
    return exporter.compile(function, **settings)
