"""Any ONNX file, whoever made it, with a card, a checksum and golden samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion_edge import Card, ModelFile, Session
from lampion_edge.card import DTYPES
from lampion_export.card import complete_card
from lampion_export.errors import ExportError
from lampion_export.prepend import IMAGE, arithmetic, images_for, prepend
from lampion_export.samples import sample_inputs, variations
from lampion_export.trace import Example
from lampion_export.verification import Array, Reference
from lampion_export.weights import parameters
from lampion_export.writing import Exported, writable, write_verified

OLDEST_IR = 4  # before, every weight had to be an input too


def add_card(
    path: str | Path,
    out: str | Path,
    *,
    card: Card | Mapping[str, Any] | None = None,
    transform: Any = None,
    examples: Mapping[str, Any] | None = None,
    external_data: bool | None = None,
    quiet: bool = False,
) -> Exported:
    """Gives the ONNX file at `path` a card, a checksum and golden samples, and writes it to `out`.

    card: what the file says of itself, as in `export`. A classifier's output means probabilities where its answers are
        positive and add up to one, else logits, unless `meaning` says so.
    transform: a `lampion.transforms.Compose`, the way from a photo to the model's only input. Its geometry goes into the card,
        its arithmetic into the graph, and the input becomes uint8 images [batch, height, width, channel].
    examples: arrays by input for the golden samples, whose outputs onnxruntime gives; uint8 images with a transform. By
        default random ones that the model takes.

    Raises ExportError for what does not fit, ModelError for a file that is no model; nothing is written then.

        add_card("yolo.onnx", "named.onnx", card={"name": "finder"}, examples={"images": photos})
    """
    target = writable(Path(out))
    source = Session(path, verify_checksum=False)
    check_tensors(str(path), source)
    model = load(path)
    made = {"framework": ModelFile.open(path).producer or "unknown", "parameters": parameters(model)}
    given = {name: np.asarray(array) for name, array in (examples or {}).items()}
    run: Callable[[Example], dict[str, Array]] = source.run
    if transform is None:
        inputs, known = sample_inputs(source, given)
    else:
        images = next(iter(given.values())) if given else images_for(transform, model)
        prepend(model, transform, images)
        run, inputs = behind(transform, source), {IMAGE: images}
        known = run(inputs)
    described = complete_card(_with_meaning(card, known), target.stem, model.graph, transform, made)
    _check_photos(described)
    return write_verified(
        model, Reference(lambda x: list(run(x).values())), inputs, {}, target, described,
        also=variations(inputs), external_data=external_data, quiet=quiet,
    )  # fmt: skip


def check_tensors(name: str, session: Session) -> None:
    """Raises ExportError for inputs and outputs that are no tensors."""
    for spec in (*session.inputs, *session.outputs):
        if spec.dtype not in DTYPES:
            raise ExportError(
                f"{name}: expected tensors in and out, got {spec.name!r} of type {spec.dtype}",
                hint="from skl2onnx: convert with options={'zipmap': False}",
            )


def load(path: str | Path) -> ir.Model:
    """The ONNX file as a graph whose inputs are what a caller passes, with all weights in memory."""
    model = ir.load(path)
    ir.external_data.load_to_model(model)
    model.ir_version = max(model.ir_version, OLDEST_IR)
    model.graph.inputs[:] = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    return model


def behind(transform: Any, session: Session) -> Callable[[Example], dict[str, Array]]:
    """The session's answers to images, by way of the transform computed eagerly."""
    name = session.inputs[0].name
    return lambda inputs: session.run({name: arithmetic(transform, inputs[IMAGE])})


def _with_meaning(card: Card | Mapping[str, Any] | None, known: Mapping[str, Array]) -> Card | Mapping[str, Any]:
    """What is said, and that outputs are probabilities which are positive and add up to one."""
    if not isinstance(card, Mapping | None):
        return card
    noticed = {
        name: "probabilities"
        for name, rows in known.items()
        if rows.ndim == 2 and rows.shape[1] > 1 and rows.dtype.kind == "f"
        if (rows >= 0).all() and np.allclose(rows.sum(1), 1, atol=1e-3)
    }
    said = dict(card or {})
    return said | {"meaning": noticed | dict(said.get("meaning", {}))}


def _check_photos(card: Card) -> None:
    if card.task != "image-classification":
        return
    spec = card.inputs[0]
    if spec.dtype != "uint8" or len(spec.shape) != 4 or spec.shape[3] not in (1, 3, None):
        raise ExportError(
            f"card: a photo comes as uint8 [batch, height, width, channel], but input {spec.name!r} is {spec}",
            hint="say how to get from one to the other: transform=..., or --resize, --mean, --std, --layout",
        )
