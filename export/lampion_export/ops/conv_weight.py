"""The gradient of a convolution with respect to its weight, in the fastest of the forms that ONNX has for it.

benchmarks/lowering.py measures them beside each other, and docs/performance.md shows what it found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from lampion.kernels.convolution import Geometry
from lampion.ops import conv as c
from lampion.symbolic import SymInt
from lampion_export.convert import converts
from lampion_export.graph import Graph, pairs
from lampion_export.ops.conv import attributes

FEW = 8  # channels, below which a product for each place in the kernel is too thin


@converts(c.ConvolutionWeight)
def weight_gradient(g: Graph, op: c.ConvolutionWeight, x: ir.Value, y: ir.Value) -> ir.Value:
    """`y` is the gradient of the convolution's output."""
    _, channels, *size = g.shape_of(x)
    if op.at.groups != 1 or any(isinstance(n, SymInt) for n in (channels, *size, *g.shape_of(y)[1:])):
        return as_convolution(g, op, x, y)
    if math.prod(op.size) == 1 or channels < FEW:
        return as_columns(g, op, x, y)
    return by_place(g, op, x, y)


def by_place(g: Graph, op: c.ConvolutionWeight, x: ir.Value, y: ir.Value) -> ir.Value:
    """One product for each place in the kernel, channels last: y [outputs, windows] by what x has there [windows, channels]."""
    n, channels, *size = g.shape_of(x)
    _, outputs, *windows = g.shape_of(y)
    dims = list(range(1, 1 + len(size)))
    rows = n * math.prod(windows)
    last = _padded(g, g.op("Transpose", x, perm=[0, *[d + 1 for d in dims], 1], dtype=x.dtype), op.at, dims)
    first = g.op("Transpose", y, perm=[1, 0, *[d + 1 for d in dims]], dtype=y.dtype)
    flat = g.reshape(first, (outputs, rows))
    places = [g.reshape(part, (rows, channels)) for part in _places(g, op, last, tuple(windows), dims)]
    w = g.op("Concat", *[g.typed("MatMul", flat, place) for place in places], axis=1, dtype=x.dtype)
    w = g.reshape(w, (outputs, *op.size, channels))
    return g.op("Transpose", w, perm=[0, len(size) + 1, *dims], dtype=x.dtype)


def as_columns(g: Graph, op: c.ConvolutionWeight, x: ir.Value, y: ir.Value) -> ir.Value:
    """One product for each sample: y [outputs, windows] by all that x has in the windows, side by side."""
    n, channels, *size = g.shape_of(x)
    _, outputs, *windows = g.shape_of(y)
    dims = list(range(2, 2 + len(size)))
    places = list(_places(g, op, _padded(g, x, op.at, dims), tuple(windows), dims))
    columns = places[0] if len(places) == 1 else g.op("Concat", *places, axis=1, dtype=x.dtype)
    columns = g.reshape(columns, (n, len(places) * channels, math.prod(windows)))
    turned = g.op("Transpose", columns, perm=[0, 2, 1], dtype=x.dtype)
    each = g.typed("MatMul", g.reshape(y, (n, outputs, math.prod(windows))), turned)
    w = g.op("ReduceSum", each, g.constant(np.array([0], np.int64)), keepdims=0, dtype=x.dtype)
    w = g.reshape(w, (outputs, *op.size, channels))
    return g.op("Transpose", w, perm=[0, len(size) + 1, *range(1, 1 + len(size))], dtype=x.dtype)


def as_convolution(g: Graph, op: c.ConvolutionWeight, x: ir.Value, y: ir.Value) -> ir.Value:
    """A convolution of x with y in place of the weight: batch and channels change places, stride and dilation too."""
    at = op.at
    n, channels, *size = g.shape_of(x)
    _, outputs, *windows = g.shape_of(y)
    inner, outer = channels // at.groups, outputs // at.groups
    spatial = list(range(3, 3 + len(size)))
    x = g.reshape(
        g.op("Transpose", g.reshape(x, (n, at.groups, inner, *size)), perm=[2, 1, 0, *spatial]),
        (inner, at.groups * n, *size),
    )
    y = g.reshape(
        g.op("Transpose", g.reshape(y, (n, at.groups, outer, *windows)), perm=[1, 2, 0, *spatial]),
        (outputs, n, *windows),
    )
    swapped = Geometry(at.dilation, at.padding, at.stride, at.groups)
    w = g.op("Conv", x, y, **attributes(swapped), dtype=x.dtype)
    w = g.op("Transpose", w, perm=[1, 0, *range(2, 2 + len(size))], dtype=x.dtype)
    shape = (outputs, inner, *op.size)
    return g.op("Slice", w, g.shape((0,) * len(shape)), g.shape(shape), dtype=x.dtype)


def _padded(g: Graph, x: ir.Value, at: Geometry, dims: list[int]) -> ir.Value:
    """x with its padding around the spatial `dims`."""
    if not any(at.padding):
        return x
    around = [(0, 0)] * (len(dims) + 2)
    for d, p in zip(dims, at.padding, strict=True):
        around[d] = (p, p)
    return g.op("Pad", x, g.shape(pairs(around)), dtype=x.dtype)


def _places(
    g: Graph, op: c.ConvolutionWeight, x: ir.Value, windows: tuple[int, ...], dims: list[int]
) -> Iterator[ir.Value]:
    """What x has at each place of the kernel, in every window."""
    axes, steps = (g.constant(np.array(many, np.int64)) for many in (dims, op.at.stride))
    for place in itertools.product(*map(range, op.size)):
        starts = [k * d for k, d in zip(place, op.at.dilation, strict=True)]
        stops = [a + s * (n - 1) + 1 for a, s, n in zip(starts, op.at.stride, windows, strict=True)]
        yield g.op("Slice", x, g.shape(tuple(starts)), g.shape(tuple(stops)), axes, steps, dtype=x.dtype)
