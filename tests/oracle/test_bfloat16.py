"""Every row of op_cases in bfloat16 beside PyTorch, forward and gradient, and PyTorch's files of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from op_cases import CASES, Case, outputs

import lampion

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # of PyTorch, about what its own functions are called with

STORED = lampion.bfloat16.numpy
ROUNDINGS = 6 * 2.0**-8  # of a composite, here and there

FAR_APART = {
    "linalg matrix_exp": "PyTorch's overflows",
    "conv_transpose3d stride": "PyTorch's sums in bfloat16",
    **dict.fromkeys(
        (f"grid_sample bicubic {padding}" for padding in ("zeros", "border", "reflection")),
        "places between pixels have few digits left, which the two round at other steps",
    ),
}


def inputs(case: Case) -> list[Any]:
    return [x.astype(STORED) if x.dtype.kind == "f" else x for x in case.inputs]


def of_torch(x: Any) -> torch.Tensor:
    if x.dtype != STORED:
        return torch.tensor(x)
    return torch.tensor(x.astype(np.float32)).bfloat16().requires_grad_()


def array(x: Any) -> Any:
    """The numbers of a Tensor of either side, bfloat16 as float32."""
    x = x.detach()
    return (x.float() if str(x.dtype).endswith("bfloat16") else x).numpy()


def close(ours: Any, theirs: Any) -> None:
    assert (ours.dtype.name, tuple(ours.shape)) == (str(theirs.dtype).removeprefix("torch."), tuple(theirs.shape))
    a, b = array(ours), array(theirs)
    size = np.abs(b[np.isfinite(b)]).max(initial=0) if b.dtype.kind == "f" else 0
    np.testing.assert_allclose(a, b, rtol=ROUNDINGS, atol=ROUNDINGS * size)


def weight(x: Any) -> Any:
    """Of every element of a result, so that gradients don't cancel."""
    return np.random.default_rng(0).normal(size=tuple(x.shape)).astype(np.float32)


CASES_HERE = [c for c in CASES if any(x.dtype == STORED for x in inputs(c)) and c.name not in FAR_APART]


@pytest.mark.parametrize("case", CASES_HERE, ids=str)
def test_numbers_and_gradients(case: Case) -> None:
    theirs = [of_torch(x) for x in inputs(case)]
    try:
        expected = outputs(case.function(torch, *theirs))
    except (RuntimeError, NotImplementedError, AttributeError, TypeError, ValueError):
        pytest.skip("PyTorch has no kernel for bfloat16")
    ours = [lampion.tensor(x, requires_grad=x.dtype == STORED) for x in inputs(case)]
    got = outputs(case.function(lampion, *ours))
    for y, z in zip(got, expected, strict=True):
        close(y, z)
    if not case.differentiable:
        return
    try:
        sum((z.float() * torch.tensor(weight(z))).sum() for z in expected if z.requires_grad).backward()
    except (RuntimeError, NotImplementedError, AttributeError):
        return
    sum((y.float() * lampion.tensor(weight(y))).sum() for y in got if y.requires_grad).backward()
    for x, z in zip(ours, theirs, strict=True):
        if z.grad is not None:
            close(lampion.zeros_like(x) if x.grad is None else x.grad, z.grad)


def test_files_go_both_ways(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    x = torch.randn(3, 4).bfloat16()
    torch.save({"x": x}, tmp_path / "x.pt")
    ours = lampion.load(tmp_path / "x.pt")["x"]
    assert ours.dtype is lampion.bfloat16
    np.testing.assert_array_equal(array(ours), array(x))
    lampion.save({"x": ours}, tmp_path / "x.safetensors")
    assert torch.equal(load_file(tmp_path / "x.safetensors")["x"], x)
