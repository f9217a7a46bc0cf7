"""PyTorch modules, through torch.onnx, with the same card and the same proof as our own."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion_edge import Card
from lampion_export.card import complete_card, made_here
from lampion_export.errors import ExportError
from lampion_export.exporter import OPSET
from lampion_export.extras import needed
from lampion_export.prepend import IMAGE, arithmetic, prepend
from lampion_export.samples import variations
from lampion_export.trace import Dynamic, Example, check_dynamic
from lampion_export.verification import Array, Reference
from lampion_export.writing import Exported, writable, write_verified


def from_torch(
    module: Any,
    example: Any,
    path: str | Path,
    *,
    dynamic: Dynamic | None = None,
    card: Card | Mapping[str, Any] | None = None,
    transform: Any = None,
    opset: int = OPSET,
    external_data: bool | None = None,
    quiet: bool = False,
) -> Exported:
    """Writes a `torch.nn.Module`, in eval mode, through torch.onnx, verified against the module itself, with its card.

    The arguments are those of `export`; an example is an array or a torch tensor, a tuple of them, or a dict by parameter name.

    torch.onnx follows one run, and what a Python `if` decided in it can be fixed in the file. So file and module are
    compared on fresh inputs, turned signs, other magnitudes and other sizes: that finds much, but only what these
    inputs reach. Raises ExportError without the extra `lampion[torch]` and for what torch.onnx refuses, MismatchError where the
    file answers differently; nothing is written then.

        from_torch(torchvision_model, images, "m.onnx", card={"name": "birds", "labels": names}, transform=transform)
    """
    torch = needed("torch", "torch")
    needed("onnxscript", "torch")
    target = writable(Path(path))
    names = list(inspect.signature(module.forward).parameters)
    examples = _examples(names if transform is None else [IMAGE], example)
    axes = {name: {0: "batch"} for name, a in examples.items() if a.ndim} if dynamic is None else dynamic
    check_dynamic(examples, axes)
    with _evaluating(module):
        inner, call = examples, Reference(lambda inputs: _run(torch, module, inputs))
        inner_axes = axes
        if transform is not None:
            images = examples[IMAGE]
            inner, inner_axes = {names[0]: arithmetic(transform, images)}, {names[0]: axes.get(IMAGE, {})}
            call = Reference(lambda inputs: _run(torch, module, {names[0]: arithmetic(transform, inputs[IMAGE])}))
        model = _converted(torch, module, inner, inner_axes, opset)
        if transform is not None:
            prepend(model, transform, images)
        made = made_here() | {"framework": f"torch {torch.__version__}"}
        made["parameters"] = sum(p.numel() for p in module.parameters())
        described = complete_card(card, target.stem, model.graph, transform, made)
        return write_verified(
            model, call, examples, axes, target, described,
            also=variations(examples), external_data=external_data, quiet=quiet,
        )  # fmt: skip


def _examples(names: list[str], example: Any) -> Example:
    """Arrays by the names of forward's parameters."""
    if not isinstance(example, Mapping):
        many = example if isinstance(example, tuple) else (example,)
        if len(many) > len(names):
            raise ExportError(f"example: forward takes {len(names)} arguments, got {len(many)} examples")
        example = dict(zip(names, many, strict=False))
    return {name: np.asarray(x.detach() if hasattr(x, "detach") else x) for name, x in example.items()}


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training


def _run(torch: Any, module: Any, inputs: Example) -> list[Array]:
    with torch.no_grad():
        result = module(**{name: torch.from_numpy(array.copy()) for name, array in inputs.items()})
    return [leaf.numpy() for leaf in torch.utils._pytree.tree_leaves(result)]


def _converted(torch: Any, module: Any, examples: Example, dynamic: Dynamic, opset: int) -> ir.Model:
    """What torch.onnx makes of the module, with names and axes as they were asked for."""
    dims = {axis: torch.export.Dim(axis) for axes in dynamic.values() for axis in axes.values()}
    shapes = {name: {i: dims[axis] for i, axis in dynamic.get(name, {}).items()} for name in examples}
    tensors = {name: torch.from_numpy(_grown(array, dynamic.get(name, {}))) for name, array in examples.items()}
    try:
        with _hushed():
            program = torch.onnx.export(
                module, (), kwargs=tensors, dynamo=True, dynamic_shapes=shapes, opset_version=opset, verbose=False
            )
    except Exception as error:  # torch.onnx raises what its many parts raise
        why = str(error.__cause__ or error).strip().splitlines()
        raise ExportError(
            f"torch.onnx refuses {type(module).__name__}: {why[0] if why else type(error).__name__}"
        ) from error
    model: ir.Model = program.model
    for name, value in zip(examples, model.graph.inputs, strict=True):
        value.name = name
    for i, value in enumerate(model.graph.outputs):
        value.name = "output" if len(model.graph.outputs) == 1 else f"output_{i}"
    return model


@contextmanager
def _hushed() -> Iterator[None]:
    """Without torch.onnx's pages of logging: what matters of it comes as an exception, or shows in the comparison."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _grown(array: Array, axes: Mapping[int, str]) -> Array:
    """The example with two along every dynamic axis of one: PyTorch takes a size of 1 for a constant."""
    for i in axes:
        if array.shape[i] == 1:
            array = np.concatenate([array, array], i)
    return array.copy()
