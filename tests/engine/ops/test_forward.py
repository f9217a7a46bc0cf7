"""Every row's numbers beside numpy's where there is an obvious expression, and its shape inference beside its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import CASES, Case, outputs

import lampion
from lampion.ops import random
from lampion.symbolic import Spec, SymInt
from lampion.tape import Primitive, Trace, Value, recording, wrap
from lampion.tensor import Tensor


def arrays(case: Case, inputs: tuple[Any, ...]) -> list[Any]:
    return [y.numpy() for y in outputs(case.function(lampion, *map(lampion.tensor, inputs)))]


def traced(case: Case, symbolic: bool) -> tuple[Trace, list[Tensor]]:
    def spec(i: int, x: Any) -> Spec:
        batch = symbolic and i in (case.batch_axis or ())
        return Spec((SymInt.axis("batch"), *x.shape[1:]) if batch else x.shape, x.dtype)

    with recording(Trace()) as trace:
        inputs = [wrap(Value(spec(i, x))) for i, x in enumerate(case.inputs)]
        return trace, outputs(case.function(lampion, *inputs))


def known(shape: tuple[Any, ...], batch: int) -> tuple[int, ...]:
    return tuple(n.evaluate({"batch": batch}) if isinstance(n, SymInt) else n for n in shape)


@pytest.mark.parametrize("case", [c for c in CASES if c.reference], ids=str)
def test_numbers_are_numpys(case: Case) -> None:
    assert case.reference is not None
    [got] = arrays(case, case.inputs)
    np.testing.assert_allclose(got, case.reference(*case.inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in CASES if c.traceable], ids=str)
def test_inference_gives_the_shape_and_dtype_of_forward(case: Case) -> None:
    _, results = traced(case, symbolic=False)
    for y, array in zip(results, arrays(case, case.inputs), strict=True):
        assert (tuple(y.shape), y.dtype.numpy) == (array.shape, array.dtype)


@pytest.mark.parametrize("batch", [2, 5])
@pytest.mark.parametrize("case", [c for c in CASES if c.traceable and c.batch_axis], ids=str)
def test_inference_holds_for_every_batch_size(case: Case, batch: int) -> None:
    _, results = traced(case, symbolic=True)
    for y, array in zip(results, arrays(case, case.at(batch)), strict=True):
        assert (known(y.shape, batch), y.dtype.numpy) == (array.shape, array.dtype)


def test_every_primitive_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[type] = set()
    call = Primitive.__call__

    def spy(self: Primitive, *inputs: Tensor) -> Any:
        called.add(type(self))
        return call(self, *inputs)

    monkeypatch.setattr(Primitive, "__call__", spy)
    for case in CASES:
        if case.traceable and case.batch_axis:
            traced(case, symbolic=True)
        run_with_gradients(case)
    missing = {op for op in leaves(Primitive) if op.__module__.startswith("lampion.ops")} - called
    drawn = {
        op for op in missing if op.__module__ == random.__name__
    }  # no two runs agree: tests/engine/ops/test_random.py
    assert not missing - drawn, f"no row in op_cases for {sorted(op.__name__ for op in missing - drawn)}"


def run_with_gradients(case: Case) -> None:
    xs = [lampion.tensor(x, requires_grad=case.differentiable and x.dtype.kind == "f") for x in case.inputs]
    for y in outputs(case.function(lampion, *xs)):
        if y.requires_grad:
            y.backward(lampion.ones_like(y.detach()), retain_graph=True)


def leaves(kind: type[Primitive]) -> list[type[Primitive]]:
    """The ops that are no other op's base."""
    below = [op for sub in kind.__subclasses__() for op in leaves(sub)]
    return below or [kind]
