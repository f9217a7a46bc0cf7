"""The op cases as functions that can be exported, and the axes along which each of them takes any size."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from op_cases import CASES, Case, outputs

import lampion
from lampion.ops.fused import Fused
from lampion.tape import Primitive
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import OPSET, OPSETS, build, serialized
from lampion_export.trace import Example
from lampion_export.verification import distance, run_eagerly

AXES = Path(__file__).parent / "export" / "axes.json"
Axes = dict[str, dict[int, str]]

# onnxruntime's ReduceMax, ReduceMin, ArgMax and ArgMin pass over nan where numpy and PyTorch let it win: docs/export.md says so
NAN_IS_PASSED_OVER = {"amax of nan", "max of nan", "argmax of nan", "amin of nan", "min of nan", "argmin of nan"}

# of the ops whose result has a shape that depends on the numbers, those that ONNX has
FRESH = {
    *("getitem mask", "setitem mask", "nonzero", "nonzero as tuple", "argwhere", "masked_select"),
    *("masked_select of zero-dim", "where of a condition"),
}

EXPORTED = [c for c in CASES if (c.traceable or c.name in FRESH) and not c.refused and c.name not in NAN_IS_PASSED_OVER]
REFUSED = [c for c in CASES if c.traceable and c.refused]
UNTRACEABLE = [c for c in CASES if not c.traceable and c.name not in FRESH]

OLDEST, NEWEST = OPSETS.start, OPSETS.stop - 1
LATE = {  # whose operators came with opset 18
    *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "cummin of equals"),
    *(f"{op}_reduce {kind} {own}" for op in ("scatter", "index") for kind in ("amax", "amin") for own in (True, False)),
}


class Subject:
    """A case as a function of named Tensors."""

    def __init__(self, case: Case) -> None:
        self.case = case
        parameters = [
            inspect.Parameter(f"x{i}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for i in range(len(case.inputs))
        ]
        self.__signature__ = inspect.Signature(parameters)
        self.__name__ = case.name

    def __call__(self, **inputs: Any) -> Any:
        return tuple(outputs(self.case.function(lampion, *inputs.values())))

    def example(self) -> Example:
        """The case's inputs, float32 where floating."""
        return {f"x{i}": a.astype(np.float32) if a.dtype == np.float64 else a for i, a in enumerate(self.case.inputs)}

    def batch(self) -> Axes:
        """The axes that the case calls its batch."""
        return {f"x{i}": {0: "batch"} for i in self.case.batch_axis or ()}

    def others(self, axes: Axes, at_most: int = 3) -> list[Example]:
        """The example at other sizes of the axes, elements repeated in turn, wherever it runs eagerly."""
        return list(islice(self._others(axes), at_most))

    def _others(self, axes: Axes) -> Iterator[Example]:
        own = self.example()
        names = dict.fromkeys(name for a in axes.values() for name in a.values())
        for grow in GROWTHS:
            sizes = {name: grow(j) for j, name in enumerate(names)}
            inputs = {k: resized(a, axes.get(k, {}), sizes) for k, a in own.items()}
            if any(inputs[k].shape != own[k].shape for k in own) and self.runs(inputs):
                yield inputs

    def runs(self, inputs: Example) -> bool:
        """Whether the case takes such inputs eagerly."""
        try:
            self(**{k: lampion.tensor(a) for k, a in inputs.items()})
        except Exception:  # whatever an op raises for a size it does not take
            return False
        return True


# the size of the j-th axis beside its own; 0 asks for size 1
GROWTHS: tuple[Callable[[int], int], ...] = (
    lambda j: 1 + j, lambda j: 0, lambda j: 7 + j, lambda j: 3 - j % 3, lambda j: 2, lambda j: 4,
)  # fmt: skip


def resized(array: Any, axes: dict[int, str], growth: dict[str, int]) -> Any:
    """The array with more along some axes, its elements repeated in turn."""
    for dim, name in axes.items():
        size = array.shape[dim] + growth[name] if growth[name] else 1
        array = np.take(array, np.arange(size) % array.shape[dim], axis=dim) if array.shape[dim] else array
    return array


def session_of(subject: Subject, axes: Axes, opset: int = OPSET) -> Session:
    """The case exported with sizes that vary along `axes`."""
    model = build(subject, subject.example(), axes, opset)
    return Session(serialized(model, complete_card(None, "case", model.graph)))


def differences(subject: Subject, session: Session, inputs: Example) -> list[str]:
    """The outputs that differ from eager ones."""
    want = run_eagerly(subject, inputs, [spec.name for spec in session.outputs])
    got = session.run(inputs)
    found = []
    for name, array in want.items():
        finite = np.abs(array[np.isfinite(array)]) if array.dtype.kind == "f" else np.zeros(1)
        error = distance(array, got[name])
        if error > 1e-4 * max(1.0, float(finite.max(initial=0))):
            found.append(f"{name} by {error:.3g} for {[a.shape for a in inputs.values()]}")
    return found


def recorded_axes() -> dict[str, Axes]:
    """By case, the axes of axes.json, which coverage.py finds."""
    return {
        case: {k: {int(d): name for d, name in axes.items()} for k, axes in found.items()}
        for case, found in json.loads(AXES.read_text()).items()
    }


def primitives(kind: type[Primitive] = Primitive) -> set[type[Primitive]]:
    """The engine's primitives that a graph can hold; a class with subclasses is a base."""
    if subclasses := kind.__subclasses__():
        return set().union(*map(primitives, subclasses))
    in_plain_ops = issubclass(kind, Fused) and not kind.operator  # while tracing
    return {kind} if kind.__module__.startswith("lampion.") and not in_plain_ops else set()
