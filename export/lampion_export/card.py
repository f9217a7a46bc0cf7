"""The card of an exported file: what the caller says of it, completed by what the graph and the transforms know."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import onnx_ir as ir

import lampion
from lampion_edge import Card, CardError, TensorSpec
from lampion_export.errors import ExportError


def complete_card(given: Card | Mapping[str, Any] | None, name: str, graph: ir.Graph, transform: Any = None) -> Card:
    """`given` with its inputs, outputs and preprocessing filled in. Raises ExportError for a field that cards don't have.

    The task is image-classification where there is a transform or preprocessing, else tensor, unless given. One output of an
    image classifier means logits unless `meaning` ({"output": "probabilities"}) says otherwise.
    """
    said = dict(given) if isinstance(given, Mapping) else {}
    meaning = said.pop("meaning", {})
    card = given if isinstance(given, Card) else _from_fields(said, name)
    if transform is not None:
        card = replace(card, preprocessing=_preprocessing(transform))
    if transform is not None and "task" not in said and not isinstance(given, Card):
        card = replace(card, task="image-classification")
    usual = "logits" if card.task == "image-classification" else ""
    inputs = [_spec(v, meaning.get(v.name, "photo" if card.preprocessing else "")) for v in graph.inputs]
    outputs = [_spec(v, meaning.get(v.name, usual)) for v in graph.outputs]
    _check_labels(card, outputs)
    training = {"framework": f"lampion {lampion.__version__}", "python": platform.python_version()} | card.training
    complete = replace(card, inputs=tuple(inputs), outputs=tuple(outputs), training=training)
    try:
        return Card.from_json(complete.to_json())
    except CardError as error:
        raise ExportError(str(error), hint=error.hint) from error


def _from_fields(said: dict[str, Any], name: str) -> Card:
    known = {f.name for f in fields(Card)} - {"inputs", "outputs", "checksum", "extra"}
    if unknown := sorted(said.keys() - known):
        raise ExportError(f"card: no field {unknown[0]!r}; the fields are {', '.join(sorted(known | {'meaning'}))}")
    if isinstance(said.get("preprocessing"), Mapping):
        said["preprocessing"] = _parsed(dict(said["preprocessing"]))
    try:
        return Card(**{"name": name, "task": "tensor", "inputs": (), "outputs": ()} | said)
    except TypeError as error:
        raise ExportError(f"card: {error}") from error


def _preprocessing(transform: Any) -> Any:
    """What the transforms say of themselves."""
    return _parsed(transform.card())


def _parsed(preprocessing: dict[str, Any]) -> Any:
    """A dict in the card's schema, checked by the card's own reader."""
    import json

    bare = {"schema": 1, "name": "x", "task": "tensor", "inputs": [], "outputs": [], "preprocessing": preprocessing}
    try:
        return Card.from_json(json.dumps(bare)).preprocessing
    except (CardError, TypeError) as error:
        raise ExportError(str(error)) from error


def _check_labels(card: Card, outputs: list[TensorSpec]) -> None:
    if not card.labels or card.task not in ("image-classification", "audio-classification"):
        return
    classes = outputs[0].shape[-1] if outputs[0].shape else None
    if isinstance(classes, int) and classes != len(card.labels):
        raise ExportError(
            f"card: labels: expected {classes}, one for each class of output {outputs[0].name!r}, got {len(card.labels)}"
        )


def _spec(value: ir.Value, meaning: str) -> TensorSpec:
    assert value.name is not None
    assert value.dtype is not None
    assert value.shape is not None
    shape = tuple(n if isinstance(n, int) else str(n.value) for n in value.shape)
    return TensorSpec(value.name, value.dtype.numpy().name, shape, meaning)
