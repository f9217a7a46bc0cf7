"""Every row beside PyTorch: numbers, gradient and second gradient in float64."""

from __future__ import annotations

import operator
import zlib
from typing import Any

import numpy as np
import pytest
from op_cases import CASES, Case, outputs
from op_errors import REFUSALS, Refusal

import lampion
from lampion import autograd

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:torch", "ignore:.*(var|std|padding|indexing).*:UserWarning"
)


def tensors(t: Any, case: Case) -> list[Any]:
    return [t.tensor(x, requires_grad=case.differentiable and x.dtype.kind == "f") for x in case.inputs]


def seeds(t: Any, results: list[Any], case: Case) -> list[Any]:
    generator = np.random.default_rng(zlib.crc32(case.name.encode()))
    return [t.tensor(generator.normal(size=tuple(y.shape)), dtype=y.dtype) for y in results]


def gradients(t: Any, case: Case) -> tuple[list[Any], list[Any]]:
    """First gradients, and second ones of their sum of squares; None where there is none."""
    grad = torch.autograd.grad if t is torch else autograd.grad
    inputs = tensors(t, case)
    xs = [x for x in inputs if x.requires_grad]
    ys = [y for y in outputs(case.function(t, *inputs)) if y.requires_grad]
    if not ys:
        raise RuntimeError("the derivative is not implemented")
    first = grad(ys, xs, seeds(t, ys, case), create_graph=True, allow_unused=True)
    total = sum((g * g).sum() for g in first if g is not None and g.requires_grad)
    second = grad(total, xs, allow_unused=True) if not isinstance(total, int) else [None] * len(xs)
    return [None if g is None else g.numpy(force=True) for g in first], [
        None if g is None else g.numpy(force=True) for g in second
    ]


def compare(got: list[Any], want: list[Any]) -> None:
    for g, w in zip(got, want, strict=True):
        zero = np.zeros(()) if g is None and w is None else np.zeros_like(w if g is None else g)
        g, w = zero if g is None else g, zero if w is None else w
        assert (g.shape, g.dtype) == (w.shape, w.dtype)
        tolerance = 1e-9 if g.dtype == np.float64 else 1e-6
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case: Case) -> None:
    got, want = ([y.detach().numpy() for y in outputs(case.function(t, *tensors(t, case)))] for t in (lampion, torch))
    compare(got, want)


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=str)
def test_gradient_and_second_gradient(case: Case) -> None:
    try:
        theirs = gradients(torch, case)
    except RuntimeError as error:
        if "is not implemented" not in str(error) and "modified by an inplace operation" not in str(error):
            raise
        pytest.skip(str(error))
    for got, want in zip(gradients(lampion, case), theirs, strict=True):
        compare(got, want)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda r: r.name)
def test_refusals_are_pytorchs(refusal: Refusal) -> None:
    with pytest.raises(refusal.error):
        refusal.call(torch)


# ---- dtypes ---------------------------------------------------------------------------------------------------------

REAL = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
OPERATORS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "pow": operator.pow,
    "floordiv": operator.floordiv, "mod": operator.mod, "eq": operator.eq, "lt": operator.lt, "and": operator.and_,
    "iadd": operator.iadd, "itruediv": operator.itruediv,
}  # fmt: skip


def outcome(function: Any, *operands: Any) -> str:
    """The dtype of a result, or that there is none."""
    try:
        return str(function(*operands).dtype).split(".")[-1]
    except (RuntimeError, TypeError):
        return "refused"


def operand(t: Any, kind: str, rank: str) -> Any:
    if rank == "number":
        return {"bool": True, "int64": 2, "float32": 1.5}[kind]
    return t.tensor([1, 2] if rank == "vector" else 1, dtype=getattr(t, kind))


@pytest.mark.parametrize("right", ["vector", "zero-dim", "number"])
@pytest.mark.parametrize("left", ["vector", "zero-dim"])
@pytest.mark.parametrize("name", OPERATORS)
def test_promotion(name: str, left: str, right: str) -> None:
    kinds = ("bool", "int64", "float32") if right == "number" else REAL
    pairs = [(a, b) for a in REAL for b in kinds if (name, a, b, right) != ("pow", "bool", "bool", "number")]
    got, want = (
        {(a, b): outcome(OPERATORS[name], operand(t, a, left), operand(t, b, right)) for a, b in pairs}
        for t in (lampion, torch)
    )
    assert got == want


UNARY = (
    "exp", "sqrt", "abs", "neg", "sign", "floor", "round", "sin", "relu", "sigmoid", "erf", "square", "reciprocal", "tril",
    "logical_not", "isnan", "isfinite", "bitwise_not", "sum", "prod", "mean", "max", "argmax", "any", "all", "var", "norm",
    "count_nonzero",
)  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_dtype_of_one_operand(name: str) -> None:
    got, want = (
        {kind: outcome(getattr(t, name), t.tensor([[1, 0], [1, 1]], dtype=getattr(t, kind))) for kind in REAL}
        for t in (lampion, torch)
    )
    assert got == want
