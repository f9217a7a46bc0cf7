"""Every op case of the engine, exported and run at three batch sizes beside the eager run."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from op_cases import CASES, Case, outputs

import lampion
from lampion.tape import Primitive
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.convert import is_known
from lampion_export.errors import UnsupportedError
from lampion_export.exporter import build, serialized
from lampion_export.trace import Example
from lampion_export.verification import distance, run_eagerly, verify


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

    def example(self, batch: int | None = None) -> Example:
        arrays = self.case.inputs if batch is None else self.case.at(batch)
        return {f"x{i}": a.astype(np.float32) if a.dtype == np.float64 else a for i, a in enumerate(arrays)}

    @property
    def dynamic(self) -> dict[str, dict[int, str]]:
        return {f"x{i}": {0: "batch"} for i in self.case.batch_axis or ()}


# onnxruntime's ReduceMax, ReduceMin, ArgMax and ArgMin pass over nan where numpy and PyTorch let it win: docs/export.md says so
NAN_IS_PASSED_OVER = {"amax of nan", "max of nan", "argmax of nan", "amin of nan", "min of nan", "argmin of nan"}


EXPORTED = [c for c in CASES if c.traceable and not c.refused and c.name not in NAN_IS_PASSED_OVER]


@pytest.mark.parametrize("case", EXPORTED, ids=str)
def test_exported_equals_eager_at_three_batch_sizes(case: Case) -> None:
    subject = Subject(case)
    model = build(subject, subject.example(), subject.dynamic)
    session = Session(serialized(model, complete_card(None, "case", model.graph)))
    assert verify(subject, session, subject.example(), {}, rtol=1e-4, atol=1e-5).checks[0].ok
    for batch in (1, 3, 4) if case.batch_axis else ():
        example = subject.example(batch)
        want = run_eagerly(subject, example, [spec.name for spec in session.outputs])
        got = session.run(example)
        for name, array in want.items():
            assert distance(array, got[name]) <= 1e-4 * max(1.0, float(np.abs(array).max(initial=0))), (
                f"{name} at batch {batch}"
            )


@pytest.mark.parametrize("case", [c for c in CASES if c.traceable and c.refused], ids=str)
def test_what_onnx_lacks_is_refused_by_name(case: Case) -> None:
    subject = Subject(case)
    with pytest.raises(UnsupportedError, match="can't be exported: "):
        build(subject, subject.example(), subject.dynamic)


def test_every_primitive_converts_or_is_refused_for_a_reason() -> None:
    missing = sorted(kind.__name__ for kind in _leaves(Primitive) if not is_known(kind))
    assert missing == []


def _leaves(kind: type[Primitive]) -> set[type[Primitive]]:
    """The engine's primitives; a class with subclasses is a base."""
    if subclasses := kind.__subclasses__():
        return set().union(*map(_leaves, subclasses))
    return {kind} if kind.__module__.startswith("lampion.") else set()
