"""What the tasks have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lampion_edge.labels import labels_from
from lampion_server.datatypes import Array, texts
from lampion_server.described import Described
from lampion_server.errors import ModelFailedError
from lampion_server.settings import Settings

Prediction = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """How a model is asked without tensors.

    `one` and `many` are JSON's names for what is sent. `prepare` makes inputs of one row from one of them, and raises
    edge's errors or `BadRequestError`, whose field begins with a dot if it is a place inside.
    """

    one: str
    many: str
    prepare: Callable[[Described, Any, Settings], dict[str, Array]]


def prediction(session: Described, outputs: Mapping[str, Array], top: int | None, threshold: float) -> Prediction:
    """One row of outputs as JSON: labels for a classifier, those below `threshold` left out, else the outputs themselves.

    Raises edge's `InputError` for a classifier whose output is not [batch, class], `ModelFailedError` for NaN.
    """
    classes = any(spec.meaning in ("logits", "probabilities") for spec in session.outputs)
    if classes or session.card.task in ("image-classification", "audio-classification"):
        (labels,) = labels_from(session.card, outputs, top)
        if any(math.isnan(label.probability) for label in labels):
            hint = "infer tells the outputs as they are"
            raise ModelFailedError(f"model {session.name}: its probabilities for this are NaN", hint=hint)
        return {"labels": [label.as_json() for label in labels if label.probability >= threshold]}
    return {"outputs": {name: row(array) for name, array in outputs.items()}}


def row(array: Array) -> Any:
    """An output for JSON's writer, which knows neither halves nor arrays of one number; without the axis of a batch of one."""
    values = np.asarray(array[0] if array.ndim and len(array) == 1 else array)
    if values.dtype.kind in "OUST":
        return np.array(texts(values), object).reshape(values.shape).tolist()
    if values.dtype.itemsize == 2 and values.dtype.kind not in "iu":  # bfloat16 and float16
        values = values.astype(np.float32)
    return values if values.ndim else values.item()
