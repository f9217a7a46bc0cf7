"""Every row's gradient and second gradient beside central differences."""

from __future__ import annotations

import pytest
from op_cases import CASES, Case, outputs

import lampion
from lampion.autograd import gradcheck, gradgradcheck
from lampion.tensor import Tensor

DIFFERENTIABLE = [c for c in CASES if c.differentiable]


def inputs(case: Case, dtype: str = "float64") -> list[Tensor]:
    return [
        lampion.tensor(x.astype(dtype) if x.dtype.kind == "f" else x, requires_grad=x.dtype.kind == "f")
        for x in case.inputs
    ]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradient(case: Case) -> None:
    assert gradcheck(lambda *xs: case.function(lampion, *xs), inputs(case))


@pytest.mark.thorough
@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_second_gradient(case: Case) -> None:
    assert gradgradcheck(lambda *xs: case.function(lampion, *xs), inputs(case), atol=1e-4, fast_mode=True)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradient_keeps_shape_and_dtype(case: Case) -> None:
    xs = inputs(case, "float32")
    for y in outputs(case.function(lampion, *xs)):
        if y.requires_grad:
            y.backward(lampion.ones_like(y.detach()), retain_graph=True)
    for x in xs:
        if x.grad is not None:
            assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)
