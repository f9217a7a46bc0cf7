"""Optimizers' formulas in the memory of their arrays: no new arrays, and pieces that stay in the processor's cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PIECE = 16384  # elements: five arrays of float32 are 320 KB


def adam(
    p: Array, g: Array, mean: Array, square: Array, largest: Array | None, step: float,
    lr: float, betas: tuple[float, float], eps: float, weight_decay: float, decoupled: bool,
) -> None:  # fmt: skip
    """p, its running means and, for amsgrad, the largest of them, one step further."""
    beta1, beta2 = betas
    correction = math.sqrt(_one_minus_power(beta2, step))
    size = lr / _one_minus_power(beta1, step) * correction
    for p_, g_, m, v, top, a in _pieces(p, g, mean, square, largest):
        if weight_decay and decoupled:
            p_ *= 1 - lr * weight_decay
        elif weight_decay:
            g_ = g_ + p_ * weight_decay
        np.subtract(g_, m, out=a)
        a *= 1 - beta1
        m += a
        np.multiply(g_, g_, out=a)
        a *= 1 - beta2
        v *= beta2
        v += a
        if top is not None:
            v = np.maximum(top, v, out=top)
        np.sqrt(v, out=a)
        a += eps * correction
        np.divide(m, a, out=a)
        a *= size
        p_ -= a


def sgd(
    p: Array, g: Array, buffer: Array | None, lr: float, momentum: float, dampening: float, weight_decay: float,
    nesterov: bool,
) -> None:  # fmt: skip
    """p and its momentum one step further."""
    for p_, g_, b, a in _pieces(p, g, buffer):
        if weight_decay:
            np.multiply(p_, weight_decay, out=a)
            a += g_
            g_ = a.copy()
        if b is not None:
            b *= momentum
            b += g_ if dampening == 0 else np.multiply(g_, 1 - dampening, out=a)
            g_ = np.add(g_, np.multiply(b, momentum, out=a), out=a) if nesterov else b
        p_ -= np.multiply(g_, lr, out=a)


def _one_minus_power(beta: float, step: float) -> float:
    return -math.expm1(step * math.log(beta)) if beta else 1.0


def _pieces(*arrays: Array | None) -> Iterator[tuple[Any, ...]]:
    """The arrays cut alike, and room for as many elements."""
    size = arrays[0].size  # type: ignore[union-attr]
    room = np.empty(min(size, PIECE), arrays[0].dtype)  # type: ignore[union-attr]
    flat = [None if x is None else x.reshape(-1) for x in arrays]
    if size <= PIECE:
        yield (*flat, room)
        return
    for i in range(0, size, PIECE):
        yield *[None if x is None else x[i : i + PIECE] for x in flat], room[: size - i]
