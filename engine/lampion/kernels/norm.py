"""Normalization of arrays and its gradients.

With y = (x - mean) / deviation over n elements, the gradient of x is (g - mean(g) - y mean(g y)) / deviation (Ioffe and
Szegedy 2015). Sums over rows are matrix products with ones, which read memory once and make no array in between.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def batch_norm(x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, ...]:
    """x [n, c, ...] standardized, and for its gradient: mean and variance [1, c, 1...], y, and the deviation [c, 1]."""
    rows, around, count = _by_channel(x), (1, -1, *[1] * (x.ndim - 2)), x.size // x.shape[1]
    mean = (_sums(rows) / count)[:, None]
    normed = rows - mean
    var = (_products(normed, normed) / count)[:, None]
    deviation = np.sqrt(var + x.dtype.type(eps))
    normed /= deviation
    columns = [None if w is None else w[:, None] for w in (weight, bias)]
    return _affine(normed, x.shape, *columns), mean.reshape(around), var.reshape(around), normed, deviation


def batch_norm_gradient(
    g: Any, normed: Array, deviation: Array, weight: Array | None, wanted: bool
) -> tuple[Array | None, Array, Array]:
    """Of x (if `wanted`), weight and bias."""
    rows, count = _by_channel(g), g.size // g.shape[1]
    db, dw = _sums(rows), _products(rows, normed)
    if not wanted:
        return None, dw, db
    dx = normed * (-dw / count)[:, None]
    dx += rows
    dx -= (db / count)[:, None]
    dx *= 1 / deviation if weight is None else weight[:, None] / deviation
    return dx.reshape(g.shape), dw, db


def layer_norm(x: Array, weight: Array | None, bias: Array | None, dims: int, eps: float) -> tuple[Array, Array, Array]:
    """x standardized over its last `dims` dims, and for its gradient y [rows, n] and the deviation [rows, 1]."""
    n = math.prod(x.shape[x.ndim - dims :])
    rows = x.reshape(-1, n)
    normed = rows - (rows @ np.ones(n, x.dtype) / n)[:, None]
    deviation = np.sqrt(np.einsum("ij,ij->i", normed, normed)[:, None] / n + x.dtype.type(eps))
    normed /= deviation
    flat = [None if w is None else w.reshape(-1) for w in (weight, bias)]
    return _affine(normed, x.shape, *flat), normed, deviation


def layer_norm_gradient(
    g: Any, normed: Array, deviation: Array, weight: Array | None, dims: int
) -> tuple[Array, Array, Array]:
    """Of x, weight and bias."""
    n, shape = normed.shape[1], g.shape[g.ndim - dims :]
    rows = g.reshape(-1, n)
    through = rows if weight is None else rows * weight.reshape(-1)
    dx = normed * (-np.einsum("ij,ij->i", through, normed) / n)[:, None]
    dx += through
    dx -= (through @ np.ones(n, g.dtype) / n)[:, None]
    dx /= deviation
    return dx.reshape(g.shape), np.einsum("ij,ij->j", rows, normed).reshape(shape), rows.sum(0).reshape(shape)


def _affine(normed: Array, shape: tuple[int, ...], weight: Array | None, bias: Array | None) -> Array:
    """y * weight + bias in memory of its own."""
    result = np.empty(shape, normed.dtype)
    out = result.reshape(normed.shape)
    if weight is None:
        out[...] = normed
    else:
        np.multiply(normed, weight, out=out)
    if bias is not None:
        out += bias
    return result


def _by_channel(x: Any) -> Array:
    rows: Array = x.reshape(*x.shape[:2], -1)
    return rows


def _sums(rows: Array) -> Array:
    """Over all but the channels."""
    n, channels, size = rows.shape
    sums: Array = (rows.reshape(-1, size) @ np.ones(size, rows.dtype)).reshape(n, channels).sum(0)
    return sums


def _products(a: Array, b: Array) -> Array:
    """The sums of products over all but the channels."""
    return np.einsum("ncs,ncs->c", a, b)
