"""The arithmetic of transforms put in front of a graph that others made."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.nn.module import Module
from lampion_edge import Preprocessing
from lampion_export.card import complete_card
from lampion_export.errors import ExportError
from lampion_export.exporter import build
from lampion_export.preprocessing import graph_part
from lampion_export.verification import Array, run_eagerly

PREFIX = "preprocessing/"
IMAGE = "image"


def images_for(transform: Any, model: ir.Model) -> Array:
    """Random uint8 images [batch, height, width, channel], as they are once they are decoded and resized.

    Raises ExportError where the transforms do not bring every photo to one size, or the model takes anything but one input.
    """
    graph_part(transform)
    shape = _input(model).shape
    rows = shape[0] if shape and isinstance(shape[0], int) else 2
    preprocessing = complete_card(None, "", model.graph, transform).preprocessing or Preprocessing()
    channels = 1 if preprocessing.color == "L" else 3
    return np.random.default_rng(0).integers(0, 256, (rows, *_size(preprocessing), channels), dtype=np.uint8)


def arithmetic(transform: Any, images: Array) -> Array:
    """What the model gets of images, computed eagerly. Raises ExportError where the transforms don't take them."""
    part = graph_part(transform)
    try:
        return run_eagerly(part, {"input": images}, ["output"])["output"]
    except (RuntimeError, TypeError, ValueError) as error:
        raise ExportError(f"transform: {error}") from error


def prepend(model: ir.Model, transform: Any, images: Array) -> None:
    """Puts the arithmetic of `transform` before the model's only input, which becomes uint8 `image`, shaped as `images`.

    Raises ExportError where what it gives is not what the model takes.
    """
    inner = _input(model)
    varies = inner.shape is None or not isinstance(inner.shape[0], int)
    _check_fits(inner, arithmetic(transform, images))
    part = _graph(graph_part(transform), images, varies, model.opset_imports.get("", 1))
    image, result = part.inputs[0], part.outputs[0]
    nodes = list(part)
    part.remove(nodes)
    for value in (v for node in nodes for v in node.outputs):
        value.name = f"{PREFIX}{value.name}"
    for name, value in list(part.initializers.items()):
        part.initializers.pop(name)
        value.name = f"{PREFIX}{name}"
        model.graph.register_initializer(value)
    part.inputs.clear()
    part.outputs.clear()
    ir.convenience.replace_all_uses_with(inner, result, replace_graph_outputs=True)
    model.graph.insert_before(model.graph[0], nodes)
    image.name = IMAGE
    model.graph.inputs[0] = image


def _graph(part: Module, images: Array, varies: bool, opset: int) -> ir.Graph:
    dynamic = {"input": {0: "batch"}} if varies else {}
    return build(part, {"input": images}, dynamic, opset).graph


def _input(model: ir.Model) -> ir.Value:
    if len(model.graph.inputs) != 1:
        names = ", ".join(str(value.name) for value in model.graph.inputs)
        raise ExportError(f"transform: expected a model with one input, got {len(model.graph.inputs)} ({names})")
    return model.graph.inputs[0]


def _size(preprocessing: Preprocessing) -> tuple[int, int]:
    if preprocessing.crop is not None:
        return preprocessing.crop
    if preprocessing.resize is None or preprocessing.resize.rule == "shorter":
        raise ExportError(
            "transform: expected transforms that bring every photo to one size",
            hint="resize to (height, width), or crop behind a resize of the shorter side",
        )
    return preprocessing.resize.size


def _check_fits(inner: ir.Value, got: Array) -> None:
    assert inner.dtype is not None
    shape = [None] * got.ndim if inner.shape is None else [n if isinstance(n, int) else None for n in inner.shape]
    fits = len(shape) == got.ndim and all(n in (None, m) for n, m in zip(shape, got.shape, strict=True))
    if not fits or inner.dtype.numpy() != got.dtype:
        want = f"{inner.dtype.numpy()} [{', '.join('?' if n is None else str(n) for n in shape)}]"
        raise ExportError(
            f"transform: expected what input {inner.name!r} takes, {want}, got {got.dtype} {list(got.shape)}",
            hint="compare size, colour, dtype and layout (channels first or last)",
        )
