"""From a classifier's outputs to labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import Card, TensorSpec
from lampion_edge.errors import InputError

if TYPE_CHECKING:
    from lampion_edge.golden import Array


@dataclass(frozen=True)
class Label:
    """One class with its probability from 0 to 1; `index` is its place in the model's output."""

    name: str
    probability: float
    index: int

    def as_json(self) -> dict[str, str | float | int]:
        """As every command and server of lampion writes a label."""
        return {"label": self.name, "probability": self.probability, "index": self.index}


def scores(specs: Sequence[TensorSpec]) -> TensorSpec:
    """The output that holds the classes: the first one that means logits or probabilities, else the first."""
    return next((spec for spec in specs if spec.meaning in ("logits", "probabilities")), specs[0])


def labels_from(card: Card, outputs: Mapping[str, Array], top: int | None = None) -> list[list[Label]]:
    """For each row of a batch its `top` labels (the card's top_k by default), the most probable first. Raises InputError."""
    return [best(card, row, top or card.top_k) for row in probabilities(card, outputs)]


def probabilities(card: Card, outputs: Mapping[str, Array]) -> Array:
    """Probabilities, float64 [batch, class]; a softmax is taken where the card says logits. Raises InputError."""
    spec = scores(card.outputs)
    if spec.name not in outputs:
        raise InputError(f"labels need the output {spec.name!r}, got {', '.join(outputs) or 'none'}", field=spec.name)
    rows = np.asarray(outputs[spec.name], dtype=np.float64)
    if rows.ndim != 2 or (card.labels and rows.shape[1] != len(card.labels)):
        classes = len(card.labels) or "class"
        message = f"output {spec.name!r}: expected [batch, {classes}], got {list(rows.shape)}"
        raise InputError(message, field=spec.name)
    return softmax(rows) if spec.meaning == "logits" else rows


def softmax(rows: Array) -> Array:
    """exp(x) / sum(exp(x)) along the last axis, float in and out; the maximum is taken off first."""
    powers = np.exp(rows - rows.max(axis=-1, keepdims=True))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


def best(card: Card, row: Array, top: int) -> list[Label]:
    """The `top` most probable labels of one row of probabilities."""
    order = np.argsort(-row, kind="stable")[:top].tolist()
    return [Label(card.labels[index] if card.labels else str(index), float(row[index]), index) for index in order]
