"""Affine maps, look-ups and what compares vectors."""

from __future__ import annotations

from typing import Any

from lampion.autograd import is_grad_enabled
from lampion.ops.analysis import sqrt
from lampion.ops.arithmetic import abs, clamp
from lampion.ops.comparison import where
from lampion.ops.index import take_rows
from lampion.ops.matmul import matmul
from lampion.symbolic import may_agree
from lampion.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., in] @ weight [out, in] transposed + bias [out]. Raises RuntimeError where sizes differ."""
    if not input.ndim or not may_agree(input.shape[-1:], weight.shape[-1:]):
        raise RuntimeError(
            f"linear: weight {list(weight.shape)} expects input [..., {weight.shape[-1]}], got {list(input.shape)}"
        )
    out = matmul(input, weight.t())
    return out if bias is None else out + bias


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1 [..., in1] @ weight [out, in1, in2] @ x2 [..., in2] + bias [out] -> [..., out]"""
    half = matmul(input1.unsqueeze(-2).unsqueeze(-2), weight).squeeze(-2)
    out = (half * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """weight[input]: the rows of a table [rows, dim] for int indices of any shape; row `padding_idx` is not learned."""
    out = take_rows(weight, input)
    if padding_idx is None or not (is_grad_enabled() and weight.requires_grad):
        return out
    return where((input == padding_idx % weight.shape[0]).unsqueeze(-1), out.detach(), out)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-08) -> Tensor:
    """x1 . x2 / (|x1| |x2|) along `dim`, each norm taken to be at least eps"""
    norms = [sqrt(clamp((x * x).sum(dim), min=eps * eps)) for x in (x1, x2)]
    return (x1 * x2).sum(dim) / (norms[0] * norms[1])


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dim"""
    difference: Any = x1 - x2 + eps
    return (abs(difference) if p == 1 else difference).norm(p, -1, keepdim)
