"""A pipeline as a model: described by its wiring, computed by its steps, told as labels or as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lampion_edge import Card, Golden, Preprocessing, TensorSpec, decode
from lampion_edge.image import MAX_PIXELS
from lampion_edge.labels import labels_from
from lampion_server.cache import ResponseCache
from lampion_server.cost import Plan
from lampion_server.datatypes import Array
from lampion_server.described import Described
from lampion_server.model import Model
from lampion_server.pipelines.declaration import Declaration, Wire
from lampion_server.pipelines.running import Lease, Look, Runner
from lampion_server.pipelines.wiring import Find, Wiring, card, main_output, wire_up
from lampion_server.settings import Settings
from lampion_server.tasks.task import Prediction, row

CLASSES = ("logits", "probabilities")


def wired(declaration: Declaration, find: Find, lease: Lease, look: Look, settings: Settings) -> Model:
    """The pipeline as a model that answers. Raises `ModelError` if it doesn't fit the models that `find` knows."""
    wiring = wire_up(declaration, find)
    rows = settings.max_batch
    cache = ResponseCache(settings.cache_bytes) if settings.cache_bytes else None
    runner, plan = Runner(wiring, lease, look, rows), Plan(1, 0, rows, {})
    face = Face(card(wiring))
    model = Model(declaration.name, declaration.version, face, runner, plan, 0, cache)
    model.tell, model.platform, model.traced = _Teller(wiring), "pipeline", False
    return model


class Face:
    """What a pipeline takes and gives; the part of edge's `Session` that describes."""

    golden: Golden | None = None

    def __init__(self, card: Card) -> None:
        self.card = card
        self.inputs = card.inputs
        self.outputs = card.outputs

    @property
    def name(self) -> str:
        return self.card.name

    def prepare(self, photo: Any, *, max_pixels: int | None = None) -> dict[str, Array]:
        """A photo as the only input. Raises edge's `ImageError`."""
        preprocessing = self.card.preprocessing or Preprocessing()
        return {self.inputs[0].name: decode(photo, preprocessing, max_pixels=max_pixels or MAX_PIXELS)[None]}


@dataclass(frozen=True)
class _Teller:
    """What predict says of one item: labels where an output means classes, one object for each box where boxes were cut."""

    wiring: Wiring

    def __call__(self, face: Described, outputs: Mapping[str, Array], top: int | None, threshold: float) -> Prediction:
        declaration = self.wiring.declaration
        crops = [step.name for step in declaration.steps if step.name in self.wiring.images]
        told: dict[str, list[Any]] = {}
        whole: dict[str, Any] = {}
        for spec in face.outputs:
            rows = self._rows(spec, declaration.outputs[spec.name], outputs[spec.name], top, threshold)
            if spec.shape and spec.shape[0] in crops:
                told[spec.name] = rows
            else:
                whole[spec.name] = rows[0] if len(rows) == 1 else rows
        if told:
            objects = [dict(zip(told, values, strict=True)) for values in zip(*told.values(), strict=True)]
            return {"objects": objects} | ({"outputs": whole} if whole else {})
        if [spec.meaning for spec in face.outputs] in ([meaning] for meaning in CLASSES):
            return {"labels": next(iter(whole.values()))}
        return {"outputs": whole}

    def _rows(self, spec: TensorSpec, wire: Wire, array: Array, top: int | None, threshold: float) -> list[Any]:
        if spec.meaning not in CLASSES or wire.step is None:
            return [row(array[index : index + 1]) for index in range(len(array))] if array.ndim else [row(array)]
        name = main_output(wire, list(self.wiring.steps[wire.step]))
        model = replace(self.wiring.cards[wire.step], outputs=(replace(spec, name=name),))
        shown = labels_from(model, {name: array}, top)
        return [[label.as_json() for label in labels if label.probability >= threshold] for labels in shown]
