"""Affine maps, look-ups and what compares vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lampion.errors import UntraceableError
from lampion.ops.analysis import sqrt
from lampion.ops.arithmetic import abs, clamp
from lampion.ops.fused import Arrays, Fused, alike, numbers
from lampion.ops.matmul import matmul
from lampion.symbolic import SymInt, broadcast_shapes, may_agree
from lampion.tape import Array
from lampion.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., in] @ weight [out, in] transposed + bias [out]. Raises RuntimeError where sizes differ."""
    if not input.ndim or not may_agree(input.shape[-1:], weight.shape[-1:]):
        raise RuntimeError(
            f"linear: weight {list(weight.shape)} expects input [..., {weight.shape[-1]}], got {list(input.shape)}"
        )
    out: Tensor = _LINEAR(input, weight) if bias is None else _LINEAR(input, weight, bias)
    return out


class Linear(Fused):
    """x [..., in], weight [out, in], and perhaps bias [out], in one matrix product."""

    def plain(self, *inputs: Tensor) -> Tensor:
        x, weight, *bias = inputs
        out = matmul(x, weight.t())
        return out + bias[0] if bias else out

    def has_kernel(self, *inputs: Tensor) -> bool:
        w = inputs[1]._value.data
        if w.ndim != 2 or (len(inputs) == 3 and inputs[2]._value.data.shape != w.shape[:1]):
            return False
        return alike(*inputs)

    def kernel(self, x: Array, w: Array, *bias: Array) -> Array:
        out: Array = _rows(x) @ w.T
        if bias:
            out += bias[0]
        return out if x.ndim == 2 else out.reshape(*x.shape[:-1], len(w))

    def kernel_gradient(self, sent: Arrays, given: Any, inputs: Any, wanted: Sequence[bool]) -> Arrays:
        g = _rows(sent[0])
        x, w, *bias = inputs
        return (
            (g @ numbers(w)).reshape(x.shape) if wanted[0] else None,
            g.T @ _rows(numbers(x)) if wanted[1] else None,
            *[g.sum(0) if wanted[2] else None for _ in bias],
        )


def _rows(x: Any) -> Array:
    rows: Array = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    return rows


_LINEAR = Linear()


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1 [..., in1] @ weight [out, in1, in2] @ x2 [..., in2] + bias [out] -> [..., out]"""
    half = matmul(input1.unsqueeze(-2).unsqueeze(-2), weight).squeeze(-2)
    out = (half * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-08) -> Tensor:
    """x1 . x2 / (|x1| |x2|) along `dim`, each norm taken to be at least eps"""
    shape = broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = x1.expand(shape), x2.expand(shape)
    norms = [sqrt(clamp((x * x).sum(dim), min=eps * eps)) for x in (x1, x2)]
    return (x1 * x2).sum(dim) / (norms[0] * norms[1])


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dim"""
    difference: Any = x1 - x2 + eps
    return (abs(difference) if p == 1 else difference).norm(p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows of [n, dim], the pairs (0, 1), (0, 2) ... in a vector."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist: expected 2 dimensions, got shape {list(input.shape)}")
    if isinstance(input.shape[0], SymInt):
        raise UntraceableError("pdist needs to know how many rows there are", "cdist, or a fixed number of rows")
    first, second = np.triu_indices(input.shape[0], 1)
    difference = input[first] - input[second]
    if p == 0:  # a count, whose gradient is 0
        return difference.norm(0, 1) + (difference * 0).sum(1)
    return difference.norm(p, 1)
