"""Nonlinearities, elementwise but for softmax and glu."""

from __future__ import annotations

import math
from typing import Any

from lampion.ops.analysis import erf, expm1, sigmoid, softplus, tanh
from lampion.ops.arithmetic import abs, clamp, relu
from lampion.ops.comparison import where
from lampion.ops.random import rand
from lampion.ops.reduce import log_softmax as _log_softmax
from lampion.ops.reduce import softmax as _softmax
from lampion.tensor import Tensor


def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6)"""
    return clamp(input, 0, 6)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x limited to [min_val, max_val], in its own dtype"""
    return clamp(input, min_val, max_val).to(input.dtype)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where positive, else negative_slope * x"""
    return where(input > 0, input, input * negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight * x; a weight for all channels (dim 1) or one for each."""
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise RuntimeError(f"prelu: expected 1 or {channels} weights (one a channel), got {weight.numel()}")
        weight = weight.reshape(-1, *[1] * (input.ndim - 2))
    else:
        weight = weight.reshape(())
    return where(input > 0, input, input * weight)


def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """Leaky ReLU whose slope is drawn from [lower, upper) while training, and their mean otherwise."""
    slope: Any = (lower + upper) / 2
    if training:
        slope = rand(*input.shape, dtype=input.dtype) * (upper - lower) + lower
    return where(input > 0, input, input * slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, else alpha (exp(x) - 1)"""
    return where(input > 0, input, expm1(clamp(input, max=0)) * alpha)


def selu(input: Tensor) -> Tensor:
    """scale (x where positive, else alpha (exp(x) - 1)) with the constants of Klambauer et al. 2017"""
    return elu(input, 1.6732632423543772) * 1.0507009873554805


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, else alpha (exp(x / alpha) - 1)"""
    return where(input > 0, input, expm1(clamp(input, max=0) / alpha) * alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function at x; with approximate="tanh" by a tanh."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input * input * input)
        return 0.5 * input * (1 + tanh(inner))
    if approximate != "none":
        raise RuntimeError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")
    return 0.5 * input * (1 + erf(input * math.sqrt(0.5)))


def silu(input: Tensor) -> Tensor:
    """x sigmoid(x)"""
    return input * sigmoid(input)


def mish(input: Tensor) -> Tensor:
    """x tanh(softplus(x))"""
    return input * tanh(softplus(input))


def hardsigmoid(input: Tensor) -> Tensor:
    """min(max(x + 3, 0), 6) / 6"""
    return relu6(input + 3) / 6


def hardswish(input: Tensor) -> Tensor:
    """x hardsigmoid(x)"""
    return input * hardsigmoid(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow"""
    return -(relu(-input) + softplus(-abs(input)))


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)"""
    return input / (1 + abs(input))


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)"""
    return input - tanh(input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x drawn towards 0 by lambd"""
    if lambd < 0:
        raise RuntimeError(f"softshrink: expected lambd >= 0, got {lambd}")
    return relu(input - lambd) - relu(-input - lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, or 0 where |x| <= lambd"""
    return where(abs(input) > lambd, input, 0.0)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """x where above `threshold`, else `value`"""
    return where(input > threshold, input, value)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b), where a and b are the halves along `dim`. Raises RuntimeError for an odd size."""
    size = input.shape[dim]
    if isinstance(size, int) and size % 2:
        raise RuntimeError(f"glu: expected an even size along dim {dim}, got {size}")
    return input.narrow(dim, 0, size // 2) * sigmoid(input.narrow(dim, size // 2, size // 2))


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`"""
    return _softmax(input, _implied(input, dim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """log(softmax(x)) along `dim`"""
    return _log_softmax(input, _implied(input, dim), dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """softmax(-x) along `dim`"""
    return softmax(-input, dim, dtype=dtype)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x over its p-norm along `dim`, which is taken to be at least eps"""
    return input / clamp(input.norm(p, dim, keepdim=True), min=eps)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, dim: int = -1) -> Tensor:
    """A sample from the Gumbel-softmax distribution (Jang et al. 2016); `hard` gives one-hot with the soft gradient."""
    tiny = 1e-20 if logits.dtype.itemsize > 2 else 1e-7
    noise = rand(*logits.shape, dtype=logits.dtype)
    soft = softmax((logits - (-(noise + tiny).log() + tiny).log()) / tau, dim)
    if not hard:
        return soft
    top = (soft == soft.amax(dim, keepdim=True)).to(soft.dtype)
    return top - soft.detach() + soft


def _implied(input: Tensor, dim: int | None) -> int:
    """The dim that PyTorch takes where none is given."""
    return dim if dim is not None else 0 if input.ndim in (0, 1, 3) else 1
