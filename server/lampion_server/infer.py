"""An infer request as every transport hands it over, and what can be asked of its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lampion_edge import TensorSpec
from lampion_server.datatypes import BINARY_ONLY, PROTOCOL_NAMES, Array, protocol_name
from lampion_server.errors import BadRequestError, UnsupportedError

MOST_ITEMS = 1000


class Wanted(NamedTuple):
    """How an output is to be answered: as bytes or not; if `classes`, as that many largest values with their labels."""

    binary: bool = False
    classes: int = 0


_UNLISTED = (Wanted(), Wanted(binary=True))


@dataclass(slots=True)
class InferRequest:
    """A decoded infer request; `outputs` are the wanted ones by name, None wants all.

    `binary` is the form of outputs that aren't listed, `timeout` the caller's own limit in seconds. Requests whose `like`
    is one and the same differ in their numbers alone; None is like no other.
    """

    inputs: dict[str, Array]
    outputs: dict[str, Wanted] | None = None
    binary: bool = False
    id: str | None = None
    timeout: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    like: object = None

    def wanted(self, output: str) -> Wanted:
        """How this output is wanted."""
        return _UNLISTED[self.binary] if self.outputs is None else self.outputs[output]


def at_most(items: Sequence[Any], field: str, noun: str = "tensors") -> Sequence[Any]:
    """The items, if they aren't absurdly many, which would keep the event loop from everybody else for seconds.

    Raises `BadRequestError` naming the field.
    """
    if len(items) > MOST_ITEMS:
        raise BadRequestError(f"{field}: expected at most {MOST_ITEMS} {noun}, got {len(items)}", field=field)
    return items


def check_inputs(specs: Sequence[TensorSpec], inputs: Mapping[str, Array]) -> None:
    """Check that the arrays are exactly these inputs.

    Raises `BadRequestError`, whose field calls the n-th array `inputs[n]`.
    """
    axes: dict[str, int] = {}
    wanted = {spec.name: spec for spec in specs}
    for index, (name, array) in enumerate(inputs.items()):
        spec = wanted.get(name)
        if spec is None:
            message = f"inputs[{index}].name: expected one of {', '.join(wanted)}, got {name!r:.80}"
            raise BadRequestError(message, field=f"inputs[{index}].name")
        _fit_one(spec, array, f"inputs[{index}]", axes)
    if len(inputs) < len(wanted):
        missing = [name for name in wanted if name not in inputs]
        raise BadRequestError(f"inputs: {', '.join(missing)} missing, expected {', '.join(wanted)}", field="inputs")


def _fit_one(spec: TensorSpec, array: Array, path: str, axes: dict[str, int]) -> None:
    """One input against its spec; `axes` collects the sizes of named axes, which must agree among inputs."""
    expected, got = PROTOCOL_NAMES.get(spec.dtype, spec.dtype), protocol_name(array)
    if got != expected:
        message = f"{path}.datatype: {spec.name} is {expected}, got {got}"
        raise BadRequestError(message, field=f"{path}.datatype")
    # onnxruntime gives a scalar and an input of unknown rank the same empty shape
    if spec.shape and not _fits(spec.shape, array.shape, axes):
        known = [axes.get(want, want) if isinstance(want, str) else want for want in spec.shape]
        message = f"{path}.shape: {spec.name} is {spec}, got {list(array.shape)} where {known} was expected"
        raise BadRequestError(message, field=f"{path}.shape")


def _fits(wanted: Sequence[int | str | None], shape: Sequence[int], axes: dict[str, int]) -> bool:
    if len(wanted) != len(shape):
        return False
    for want, size in zip(wanted, shape, strict=True):
        if want != size and want is not None and (isinstance(want, int) or axes.setdefault(want, size) != size):
            return False
    return True


def check_outputs(request: InferRequest, specs: Sequence[TensorSpec]) -> None:
    """Check that the wanted outputs exist and can travel as asked.

    Raises `BadRequestError`, and `UnsupportedError` for outputs that are no tensors, as scikit-learn's ZipMap gives.
    """
    names = [spec.name for spec in specs]
    for index, name in enumerate(request.outputs or ()):
        if name not in names:
            path = f"outputs[{index}].name"
            raise BadRequestError(f"{path}: expected one of {', '.join(names)}, got {name!r:.80}", field=path)
    for spec in specs:
        if request.outputs is None or spec.name in request.outputs:
            _check_output(request.wanted(spec.name), spec)


def tensors(specs: Sequence[TensorSpec]) -> list[str] | None:
    """The outputs that can be answered, None if all can. Raises `UnsupportedError` if none can."""
    names = [spec.name for spec in specs if spec.dtype in PROTOCOL_NAMES]
    if not names:
        raise UnsupportedError("none of the model's outputs is a tensor: it can't be asked here", field="model")
    return names if len(names) < len(specs) else None


def _check_output(wanted: Wanted, spec: TensorSpec) -> None:
    datatype = PROTOCOL_NAMES.get(spec.dtype)
    if datatype is None:
        hint = "list the wanted outputs, without this one"
        raise UnsupportedError(f"output {spec.name}: {spec.dtype} can't be answered", field="outputs", hint=hint)
    if wanted.classes and datatype in ("BYTES", "BOOL"):
        raise BadRequestError(f"output {spec.name}: expected numbers to classify, got {datatype}", field="outputs")
    if datatype in BINARY_ONLY and not wanted.binary and not wanted.classes:
        message, hint = f"output {spec.name}: {datatype} can't be sent as JSON", "set parameters.binary_data_output"
        raise BadRequestError(message, field="outputs", hint=hint)


# --- classification ---


def classified(outputs: Mapping[str, Array], request: InferRequest, labels: Sequence[str]) -> dict[str, Array]:
    """The outputs, those that were asked for as classes replaced by texts `value:index:label`, the largest first."""
    if request.outputs is None:
        return dict(outputs)
    return {
        name: top_classes(array, classes, labels) if (classes := request.wanted(name).classes) else array
        for name, array in outputs.items()
    }


def top_classes(array: Array, classes: int, labels: Sequence[str]) -> Array:
    """Along the last axis the `classes` largest values as texts `value:index` or `value:index:label`, as Triton has them."""
    rows = np.atleast_1d(array).astype(np.float64) if array.dtype.kind not in "iu" else np.atleast_1d(array)
    best = np.argsort(-rows.astype(np.float64), axis=-1, kind="stable")[..., :classes]
    values = np.take_along_axis(rows, best, axis=-1)
    known = labels if len(labels) == rows.shape[-1] else ()
    texts = [_class(value, index, known) for value, index in zip(values.flat, best.ravel().tolist(), strict=True)]
    return np.array(texts, object).reshape(best.shape)


def _class(value: Any, index: int, labels: Sequence[str]) -> str:
    number = f"{value:.6f}" if isinstance(value, np.floating) else str(value)
    return f"{number}:{index}:{labels[index]}" if labels else f"{number}:{index}"
