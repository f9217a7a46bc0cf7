"""The card of an exported file: what the caller says of it, completed by what the graph and the transforms know."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnx_ir as ir

import lampion
from lampion_edge import Card, CardError, TensorSpec
from lampion_edge.labels import scores
from lampion_export.errors import ExportError

CLASSIFIERS = ("image-classification", "audio-classification")
FILLED_IN = {"inputs", "outputs", "checksum", "extra"}


def complete_card(
    given: Card | Mapping[str, Any] | None,
    name: str,
    graph: ir.Graph,
    transform: Any = None,
    training: Mapping[str, Any] | None = None,
) -> Card:
    """`given` with its inputs, outputs and preprocessing filled in. Raises ExportError for a field that cards don't have.

    The task is image-classification where there is a transform or preprocessing, else tensor, unless given. One output of an
    image classifier means logits unless `meaning` ({"output": "probabilities"}) says otherwise. `training` is where the
    numbers come from, as far as the exporter knows; what `given` says of it goes before.
    """
    said, meaning = _said(given)
    if transform is not None:
        try:
            said["preprocessing"] = transform.card()
        except ValueError as error:
            raise ExportError(f"transform: {error}") from error
        said.setdefault("task", "image-classification")
    card = _read({"name": name} | said)
    usual = "logits" if card.task == "image-classification" else ""
    inputs = [_spec(v, meaning, "photo" if card.preprocessing else "") for v in graph.inputs]
    outputs = [_spec(v, meaning, usual) for v in graph.outputs]
    names = [spec.name for spec in [*inputs, *outputs]]
    if unknown := sorted(meaning.keys() - set(names)):
        raise ExportError(f"card: meaning: no input or output {unknown[0]!r}; the names are {', '.join(names)}")
    _check_labels(card, outputs)
    provenance = dict(made_here() if training is None else training) | card.training
    return replace(card, inputs=tuple(inputs), outputs=tuple(outputs), training=provenance)


def made_here() -> dict[str, Any]:
    """With what a file was made. A date only where SOURCE_DATE_EPOCH names one: the same model gives the same bytes."""
    made = {"framework": f"lampion {lampion.__version__}", "python": platform.python_version(), "numpy": np.__version__}
    if (epoch := os.environ.get("SOURCE_DATE_EPOCH", "")).isdecimal():
        made["date"] = datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    return made


def _said(given: Card | Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, str]]:
    """What the caller says, as fields of the card's JSON, and what the tensors mean by name."""
    if isinstance(given, Card):
        said = {key: value for key, value in json.loads(given.to_json()).items() if key not in FILLED_IN}
        return said, {spec.name: spec.meaning for spec in (*given.inputs, *given.outputs) if spec.meaning}
    if not isinstance(given, Mapping | None):
        raise ExportError(f"card: expected a Card or a dict, got {type(given).__name__}")
    said = dict(given or {})
    meaning = said.pop("meaning", {})
    if not isinstance(meaning, Mapping) or not all(isinstance(text, str) for text in meaning.values()):
        raise ExportError(f"card: meaning: expected texts by the name of an input or output, got {meaning!r}")
    known = {f.name for f in fields(Card)} - FILLED_IN
    if unknown := sorted(map(str, said.keys() - known)):
        raise ExportError(f"card: no field {unknown[0]!r}; the fields are {', '.join(sorted(known | {'meaning'}))}")
    return said, dict(meaning)


def _read(said: dict[str, Any]) -> Card:
    """The fields as a card, checked by the card's own reader."""
    bare = {"schema": 1, "task": "tensor", "inputs": [], "outputs": []}
    try:
        return Card.from_json(json.dumps(bare | said, default=_plain))
    except CardError as error:
        raise ExportError(str(error), hint=error.hint) from error
    except (TypeError, ValueError) as error:
        raise ExportError(f"card: can't be written as JSON: {error}") from error


def _plain(value: object) -> object:
    """numpy's numbers and arrays as Python's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"expected texts, numbers, lists and dicts, got {type(value).__name__}")


def _check_labels(card: Card, outputs: list[TensorSpec]) -> None:
    if not card.labels or card.task not in CLASSIFIERS or not outputs:
        return
    output = scores(outputs)
    classes = output.shape[-1] if output.shape else None
    if isinstance(classes, int) and classes != len(card.labels):
        raise ExportError(
            f"card: labels: expected {classes}, one for each class of output {output.name!r}, got {len(card.labels)}"
        )


def _spec(value: ir.Value, meanings: Mapping[str, str], usual: str) -> TensorSpec:
    assert value.name is not None
    assert value.dtype is not None
    text = value.dtype == ir.DataType.STRING
    shape = () if value.shape is None else value.shape
    sizes = tuple(n if isinstance(n, int) else n.value for n in shape)
    return TensorSpec(
        value.name, "string" if text else value.dtype.numpy().name, sizes, meanings.get(value.name, usual)
    )
