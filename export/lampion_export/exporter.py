"""`export`: from a model and an example to one verified file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

import lampion
from lampion.nn.module import Module
from lampion.tensor import Tensor
from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Card, EdgeError, Golden, ModelFile, Session
from lampion_export import ops as _converters  # noqa: F401 - registers them
from lampion_export.card import complete_card
from lampion_export.convert import convert
from lampion_export.errors import ExportError, MismatchError
from lampion_export.passes import optimize
from lampion_export.trace import Dynamic, Example, check_dynamic, named_example, state_of, trace
from lampion_export.verification import Report, allowance, run_eagerly, verify

OPSET = 21
IR_VERSION = 10
OPSETS = range(18, 25)
GOLDEN_ROWS = 3


@dataclass(frozen=True)
class Exported:
    """What `export` wrote: the file, its card, and the verification it passed."""

    path: Path
    card: Card
    report: Report

    def __str__(self) -> str:
        return f"{self.report}\nwrote {self.path} ({self.path.stat().st_size / 1024:.0f} KB)"


class Preprocessed(Module):
    """A model behind the arithmetic of its training transforms: uint8 images [batch, height, width, channel] in."""

    def __init__(self, model: Module, transform: Module) -> None:
        super().__init__()
        self.model = model
        self.transform = transform

    def forward(self, image: Tensor) -> Any:
        """The model's answer to raw images."""
        return self.model(self.transform(image))


def export(
    model: Callable[..., Any],
    example: Any,
    path: str | Path,
    *,
    dynamic: Dynamic | None = None,
    card: Card | Mapping[str, Any] | None = None,
    transform: Any = None,
    opset: int = OPSET,
    quiet: bool = False,
) -> Exported:
    """Traces `model`, converts it, verifies the result against eager runs, and writes one ONNX file with its card.

    model: a Module (run in eval mode) or a function of Tensors.
    example: an array, a Tensor or a shape; a tuple of them, or a dict by parameter name. Its first rows become golden samples.
    dynamic: axes that may vary, as {"input": {0: "batch"}}; the first axis of every input, called "batch", by default;
        {} for none. Sizes along them stay symbolic.
    card: what the file says of itself (name, labels, metrics, ...; see `lampion_edge.Card`); inputs, outputs,
        preprocessing and checksum are filled in.
    transform: the `lampion.transforms.Compose` that the model was trained with. Its geometry goes into the card, its
        arithmetic into the graph, and the input becomes uint8 images [batch, height, width, channel].
    opset: the ONNX operator set to write.

    Raises UntraceableError where Python would look at a traced value, UnsupportedError for an op without converter,
    MismatchError if the graph answers differently, ExportError for anything else; nothing is written then.

        export(model, images[:4], "digits.onnx", card={"name": "digits", "labels": list("0123456789")})
    """
    target = _writable(Path(path))
    if opset not in OPSETS:
        raise ExportError(f"opset: expected {OPSETS.start} to {OPSETS.stop - 1}, got {opset}")
    function = model if transform is None else Preprocessed(_module(model), transform.graph_part)
    examples = named_example(function, example)
    axes = {name: {0: "batch"} for name, a in examples.items() if a.ndim} if dynamic is None else dynamic
    check_dynamic(examples, axes)
    onnx_model = build(function, examples, axes, opset)
    described = complete_card(card, target.stem, onnx_model.graph, transform)
    session = _session(serialized(onnx_model, described))
    report = verify(function, session, examples, axes)
    if not report.ok:
        raise MismatchError(f"the exported graph differs from what ran, so nothing was written:\n{report}")
    data = serialized(onnx_model, described, _golden(function, session, examples, axes))
    if not (replayed := _session(data).verify()).ok:
        raise MismatchError(f"the golden samples do not replay, so nothing was written:\n{replayed}")
    _write(target, data)
    exported = Exported(target, Card.from_json(ModelFile.parse(data).metadata[METADATA_CARD]), report)
    if not quiet:
        print(exported)
    return exported


def build(function: Callable[..., Any], examples: Example, dynamic: Dynamic, opset: int = OPSET) -> ir.Model:
    """The optimized graph of a function, checked by ONNX's checker, without a card."""
    names = {}
    if isinstance(function, Module):
        names = {id(t._value.data): name for name, t in state_of(function)}
    graph = convert(trace(function, examples, dynamic), opset, names).graph
    model = ir.Model(graph, ir_version=IR_VERSION, producer_name="lampion", producer_version=lampion.__version__)
    optimize(model)
    try:
        onnx.checker.check_model(ir.to_proto(model), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the graph is not valid ONNX: {str(error).strip().splitlines()[0]}") from error
    return model


def serialized(model: ir.Model, card: Card, golden: Golden | None = None) -> bytes:
    """The file's bytes, with the card (its checksum filled in) and the golden samples inside."""
    model.metadata_props.clear()
    checksum = ModelFile.parse(_bytes(model)).graph_checksum()
    model.metadata_props[METADATA_CARD] = replace(card, checksum=checksum).to_json()
    if golden is not None:
        model.metadata_props[METADATA_GOLDEN] = golden.to_json()
    return _bytes(model)


def _bytes(model: ir.Model) -> bytes:
    data: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return data


def _module(model: Callable[..., Any]) -> Module:
    if not isinstance(model, Module):
        raise ExportError(f"transform: expected model to be a Module, got {type(model).__name__}")
    return model


def _session(data: bytes) -> Session:
    try:
        return Session(data)
    except EdgeError as error:
        raise ExportError(f"onnxruntime refuses the exported graph: {error}", hint=error.hint) from error


def _golden(function: Callable[..., Any], session: Session, example: Example, dynamic: Dynamic) -> Golden:
    """The example's first rows, where its batch may vary, with what ran eagerly on them."""
    batched = {name for name, axes in dynamic.items() if 0 in axes}
    inputs = {name: array[:GOLDEN_ROWS] if name in batched else array for name, array in example.items()}
    outputs = run_eagerly(function, inputs, [spec.name for spec in session.outputs])
    atol = max(allowance(array, 1e-4, 1e-5) for array in outputs.values())
    return Golden(((inputs, outputs),), rtol=1e-3, atol=atol)


def _writable(path: Path) -> Path:
    """Raises ExportError before the work starts rather than after it."""
    folder = path.parent
    if path.is_dir():
        raise ExportError(f"{path}: is a folder; expected the name of a file to write")
    if not folder.is_dir():
        raise ExportError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise ExportError(f"{path}: the folder {folder} is not writable")
    return path


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise ExportError(f"{path}: can't be written: {error.strerror}") from error
