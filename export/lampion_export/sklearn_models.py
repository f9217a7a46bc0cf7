"""scikit-learn's estimators, through skl2onnx, with the same card and the same proof as our own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion_edge import Card, Session
from lampion_export.card import complete_card, made_here
from lampion_export.errors import ExportError
from lampion_export.exporter import OPSET
from lampion_export.extras import needed
from lampion_export.samples import variations
from lampion_export.trace import Example
from lampion_export.verification import Array, Reference
from lampion_export.writing import Exported, writable, write_verified

INPUT = "input"
TIE = 1e-6
ROWS = 8  # skl2onnx looks at the dtype alone; the comparison wants more than one sample


def from_sklearn(
    estimator: Any,
    example: Any,
    path: str | Path,
    *,
    card: Card | Mapping[str, Any] | None = None,
    opset: int = OPSET,
    external_data: bool | None = None,
    quiet: bool = False,
) -> Exported:
    """Writes a fitted estimator or pipeline through skl2onnx, verified against the estimator itself, with its card.

    example: rows [n, feature] of the dtype that the file is to take; float32 where it is served. The outputs are `label` and
    `probabilities` of a classifier, whose classes become the card's labels, or else `output`. The task is tabular unless
    the card says otherwise.

    Raises ExportError without the extra `lampion[sklearn]` and for what skl2onnx refuses, MismatchError where the file answers
    differently; nothing is written then.

        from_sklearn(GradientBoostingClassifier().fit(x, y), x[:8], "m.onnx", card={"name": "iris"})
    """
    sklearn = needed("sklearn", "sklearn")
    skl2onnx = needed("skl2onnx", "sklearn")
    target = writable(Path(path))
    rows = np.asarray(example)[:ROWS]
    if rows.ndim != 2 or not len(rows):
        raise ExportError(f"example: expected rows [n, feature], got an array of shape {list(np.shape(example))}")
    model = _converted(skl2onnx, estimator, rows, opset)
    converted = Session(ir.to_proto(model).SerializeToString())
    reference = Reference(lambda inputs: _answers(model, estimator, converted, inputs))
    made = made_here() | {"framework": f"scikit-learn {sklearn.__version__}", "estimator": type(estimator).__name__}
    described = complete_card(_said(card, estimator), target.stem, model.graph, None, made)
    examples = {INPUT: rows}
    return write_verified(
        model, reference, examples, {INPUT: {0: "batch"}}, target, described,
        also=variations(examples), external_data=external_data, quiet=quiet,
    )  # fmt: skip


def _converted(skl2onnx: Any, estimator: Any, rows: Array, opset: int) -> ir.Model:
    """What skl2onnx makes of the estimator, with plain arrays as outputs and names that say what they are."""
    plain: dict[str, Any] = {"X": rows[:1], "target_opset": {"": opset, "ai.onnx.ml": 3}}
    try:
        try:
            proto = skl2onnx.to_onnx(estimator, options={id(estimator): {"zipmap": False}}, **plain)
        except NameError:  # only classifiers with probabilities have this option
            proto = skl2onnx.to_onnx(estimator, **plain)
    except Exception as error:  # each converter raises its own
        why = str(error).strip().splitlines()
        raise ExportError(
            f"skl2onnx refuses {type(estimator).__name__}: {why[0] if why else type(error).__name__}"
        ) from error
    model = ir.from_proto(proto)
    names = [name for name, _ in _methods(estimator)]
    del model.graph.outputs[len(names) :]
    for name, value in zip([INPUT, *names], [*model.graph.inputs, *model.graph.outputs], strict=True):
        value.name = name
        value.shape = ir.Shape(["batch", *list(value.shape or [None])[1:]])
    return model


def _methods(estimator: Any) -> list[tuple[str, str]]:
    """The outputs of the file, by name, and the method that gives them."""
    if hasattr(estimator, "classes_") and hasattr(estimator, "predict_proba"):
        return [("label", "predict"), ("probabilities", "predict_proba")]
    if hasattr(estimator, "classes_"):
        return [("label", "predict")]
    return [("output", "predict" if hasattr(estimator, "predict") else "transform")]


def _answers(model: ir.Model, estimator: Any, converted: Session, inputs: Example) -> list[Array]:
    """What scikit-learn gives; between classes equally probable, the label that the file gives is as good as any."""
    answers = [np.asarray(getattr(estimator, method)(inputs[INPUT])) for _, method in _methods(estimator)]
    answers = [_like(value, answer) for value, answer in zip(model.graph.outputs, answers, strict=True)]
    if len(answers) == 2 and answers[1].shape[1] > 1:
        labels, probabilities = answers
        best = np.sort(probabilities, axis=1)[:, -2:]
        tied = np.diff(best).sum(axis=1) < TIE
        answers[0] = np.where(tied, converted.run(inputs)["label"], labels)
    return answers


def _like(value: ir.Value, answer: Array) -> Array:
    """scikit-learn's answer in the dtype and with the axes that the file has."""
    assert value.dtype is not None
    assert value.shape is not None
    kind = np.dtype(object) if value.dtype == ir.DataType.STRING else value.dtype.numpy()
    return answer.astype(kind).reshape(len(answer), *([-1] if len(value.shape) == 2 else []))


def _said(card: Card | Mapping[str, Any] | None, estimator: Any) -> Card | Mapping[str, Any]:
    """The card with what the estimator knows: its classes, and which output is which."""
    if isinstance(card, Card):
        return card
    methods = dict(_methods(estimator))
    known: dict[str, Any] = {"task": "tabular"}
    if "label" in methods:
        known["labels"] = [str(each) for each in estimator.classes_]
    meaning = {name: name for name in methods if name in ("label", "probabilities")}
    said = known | dict(card or {})
    return said | {"meaning": meaning | dict(said.get("meaning", {}))}
