"""`export`: from a model and an example to one verified file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

import lampion
from lampion.nn.module import Module
from lampion.training import provenance
from lampion_edge import Card
from lampion_export import ops as _converters  # noqa: F401 - registers them
from lampion_export.card import complete_card, made_here
from lampion_export.convert import convert
from lampion_export.errors import ExportError
from lampion_export.hunting import TRIES
from lampion_export.passes import optimize
from lampion_export.preprocessing import Preprocessed, graph_part
from lampion_export.trace import Dynamic, Example, check_dynamic, named_example, state_of, trace
from lampion_export.writing import Exported, is_large, serialized, writable, write_verified

OPSET = 21
IR_VERSION = 10
OPSETS = range(17, 29)

__all__ = ["Exported", "build", "export", "serialized"]


def export(
    model: Callable[..., Any],
    example: Any,
    path: str | Path,
    *,
    dynamic: Dynamic | None = None,
    card: Card | Mapping[str, Any] | None = None,
    transform: Any = None,
    opset: int = OPSET,
    hunt: int = TRIES,
    external_data: bool | None = None,
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
    hunt: how many inputs to try in search of ways through choices and loops that nothing took yet; see `verify`.
    external_data: True writes the weights beside the model, into `path` + ".data"; so does None above 1.8 GB.

    Raises UntraceableError where Python would look at a traced value, UnsupportedError for an op without converter,
    MismatchError if the graph answers differently, ExportError for anything else; nothing is written then.

        export(model, images[:4], "digits.onnx", card={"name": "digits", "labels": list("0123456789")})
    """
    target = writable(Path(path))
    if opset not in OPSETS:
        raise ExportError(f"opset: expected {OPSETS.start} to {OPSETS.stop - 1}, got {opset}")
    function = model if transform is None else Preprocessed(_module(model), graph_part(transform))
    examples = named_example(function, example)
    axes = {name: {0: "batch"} for name, a in examples.items() if a.ndim} if dynamic is None else dynamic
    check_dynamic(examples, axes)
    onnx_model = build(function, examples, axes, opset)
    described = complete_card(card, target.stem, onnx_model.graph, transform, made_here() | _provenance(model))
    return write_verified(
        onnx_model, function, examples, axes, target, described, hunt=hunt, external_data=external_data, quiet=quiet
    )


def build(function: Callable[..., Any], examples: Example, dynamic: Dynamic, opset: int = OPSET) -> ir.Model:
    """The optimized graph of a function, checked by ONNX's checker, without a card."""
    names = {}
    if isinstance(function, Module):
        names = {id(t._value.data): name for name, t in state_of(function)}
    graph = convert(trace(function, examples, dynamic), opset, names).graph
    model = ir.Model(graph, ir_version=IR_VERSION, producer_name="lampion", producer_version=lampion.__version__)
    optimize(model)
    if is_large(model):  # ONNX's checker takes no message above 2 GiB
        return model
    try:
        onnx.checker.check_model(ir.to_proto(model), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the graph is not valid ONNX: {str(error).strip().splitlines()[0]}") from error
    return model


def _module(model: Callable[..., Any]) -> Module:
    if not isinstance(model, Module):
        raise ExportError(f"transform: expected model to be a Module, got {type(model).__name__}")
    return model


def _provenance(model: Callable[..., Any]) -> dict[str, Any]:
    """What a Module knows of its own making."""
    if not isinstance(model, Module):
        return {}
    return {"parameters": sum(p.numel() for p in model.parameters())} | provenance(model)
