"""Convolution of arrays [batch, channel, *spatial] in any number of spatial dims, and its two transposes.

The window elements are copied side by side ("im2col", one slice per kernel element), then one batched matrix product does
the work. With one channel a group (depthwise) the slices are multiplied and summed directly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Key = Any  # a tuple of ints and slices


class Geometry(NamedTuple):
    """How windows lie on the input: one number per spatial dim each, and the number of channel groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    def output_size(self, size: tuple[Any, ...], kernel: tuple[Any, ...]) -> tuple[Any, ...]:
        """The number of windows along each spatial dim."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, kernel, self.stride, self.padding, self.dilation, strict=True)
        )


def forward(x: Array, w: Array, at: Geometry) -> Array:
    """x [n, c, *in], w [o, c / groups, *kernel] -> [n, o, *out]"""
    kernel = w.shape[2:]
    out = at.output_size(x.shape[2:], kernel)
    padded = _pad(x, at.padding)
    if _depthwise(w, at):
        y = np.zeros((*x.shape[:2], *out), x.dtype)
        for offset, window in _windows(kernel, out, at):
            y += padded[window] * _element(w, offset).reshape(-1, *[1] * len(kernel))
        return y
    columns = _columns(padded, kernel, out, at)
    weights = w.reshape(at.groups, w.shape[0] // at.groups, -1)
    return _batch_first(np.matmul(weights, columns).reshape(w.shape[0], x.shape[0], *out))


def input_gradient(g: Array, w: Array, size: tuple[int, ...], at: Geometry) -> Array:
    """g [n, o, *out], w [o, c / groups, *kernel] -> [n, c, *size]: the transpose of `forward` in x."""
    n, kernel, out = g.shape[0], w.shape[2:], g.shape[2:]
    channels = w.shape[1] * at.groups
    around = [n + 2 * p for n, p in zip(size, at.padding, strict=True)]
    inside: Key = (..., *[slice(p, p + n) for n, p in zip(size, at.padding, strict=True)])
    if _depthwise(w, at):
        padded = np.zeros((n, channels, *around), g.dtype)
        for offset, window in _windows(kernel, out, at):
            padded[window] += g * _element(w, offset).reshape(-1, *[1] * len(kernel))
        return padded[inside]
    turned = _turned(at, kernel)
    few = w.shape[0] <= 2 * channels  # many more channels out than in would all be copied for each window
    if few and turned is not None and turned.output_size(out, kernel) == tuple(size):
        return forward(g, _flipped(w, at.groups), turned)
    padded = np.zeros((channels, n, *around), g.dtype)
    weights = w.reshape(at.groups, w.shape[0] // at.groups, -1).transpose(0, 2, 1)
    columns = np.matmul(weights, _channel_first(g, at.groups)).reshape(channels, *kernel, n, *out)
    for offset, window in _windows(kernel, out, at):
        padded[window] += columns[:, *offset]
    return _batch_first(padded[inside])


def _turned(at: Geometry, kernel: tuple[int, ...]) -> Geometry | None:
    """With stride 1 the transpose in x is a convolution too: no sums over windows that overlap. Its geometry."""
    padding = tuple(d * (k - 1) - p for d, k, p in zip(at.dilation, kernel, at.padding, strict=True))
    return at._replace(padding=padding) if set(at.stride) == {1} and min(padding) >= 0 else None


def _flipped(w: Array, groups: int) -> Array:
    """[o, c / groups, *kernel] -> [c, o / groups, *kernel], back to front."""
    by_group = w.reshape(groups, w.shape[0] // groups, *w.shape[1:]).swapaxes(1, 2)
    flat = by_group.reshape(w.shape[1] * groups, w.shape[0] // groups, *w.shape[2:])
    return np.flip(flat, tuple(range(2, w.ndim)))


def weight_gradient(x: Array, g: Array, kernel: tuple[int, ...], at: Geometry) -> Array:
    """x [n, c, *in], g [n, o, *out] -> [o, c / groups, *kernel]: the transpose of `forward` in w."""
    out = g.shape[2:]
    padded = _pad(x, at.padding)
    per_group = x.shape[1] // at.groups
    if per_group == 1 and g.shape[1] == at.groups:
        w = np.empty((g.shape[1], 1, *kernel), x.dtype)
        for offset, window in _windows(kernel, out, at):
            _element(w, offset)[...] = (padded[window] * g).sum(axis=(0, *range(2, g.ndim)))
        return w
    columns = _columns(padded, kernel, out, at)
    rows = _channel_first(g, at.groups)
    return np.matmul(rows, columns.transpose(0, 2, 1)).reshape(g.shape[1], per_group, *kernel)


def _depthwise(w: Array, at: Geometry) -> bool:
    return at.groups > 1 and w.shape[1] == 1 and w.shape[0] == at.groups


def _element(w: Array, offset: tuple[int, ...]) -> Array:
    """One kernel element of a depthwise weight for every channel."""
    place: Key = (slice(None), 0, *offset)
    return w[place]


def _pad(x: Array, padding: tuple[int, ...]) -> Array:
    if not any(padding):
        return x
    padded = np.zeros((*x.shape[:2], *[n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)]), x.dtype)
    inside: Key = (..., *[slice(p, p + n) for n, p in zip(x.shape[2:], padding, strict=True)])
    padded[inside] = x
    return padded


def _windows(kernel: tuple[int, ...], out: tuple[int, ...], at: Geometry) -> Iterator[tuple[tuple[int, ...], Any]]:
    """For every kernel element its place, and the slice of the padded input that it meets."""
    for offset in np.ndindex(*kernel):
        yield (
            offset,
            (
                slice(None),
                slice(None),
                *[
                    slice(k * d, k * d + s * (n - 1) + 1, s)
                    for k, n, s, d in zip(offset, out, at.stride, at.dilation, strict=True)
                ],
            ),
        )


def _channel_first(y: Array, groups: int) -> Array:
    """[n, o, *out] -> [groups, o / groups, n * prod(out)]: the whole batch in one matrix."""
    return y.swapaxes(0, 1).reshape(groups, y.shape[1] // groups, -1)


def _batch_first(y: Array) -> Array:
    """[o, n, *out] -> [n, o, *out]"""
    return np.ascontiguousarray(y.swapaxes(0, 1))


def _columns(padded: Array, kernel: tuple[int, ...], out: tuple[int, ...], at: Geometry) -> Array:
    """[groups, c / groups * prod(kernel), n * prod(out)]: one large matrix product is faster than one for each image."""
    n, channels = padded.shape[:2]
    if math.prod(kernel) == 1 and set(at.stride) == {1}:
        return _channel_first(padded, at.groups)
    columns = np.empty((channels, *kernel, n, *out), padded.dtype)
    for offset, window in _windows(kernel, out, at):
        place: Key = (slice(None), *offset)
        columns[place] = padded[window].swapaxes(0, 1)
    return columns.reshape(at.groups, channels // at.groups * math.prod(kernel), n * math.prod(out))
