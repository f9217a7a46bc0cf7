"""Converters of pooling."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.kernels.convolution import Geometry
from lampion.ops import pool as p
from lampion.symbolic import Shape, numel
from lampion_export.convert import converts
from lampion_export.graph import Graph
from lampion_export.ops.conv import attributes, output_padding


@converts(p.MaxPool)
def max_pool(g: Graph, op: p.MaxPool, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """ONNX counts the places through batch and channels; what nobody asks for is removed with the dead nodes."""
    settings = windows(op.at, op.kernel)
    plain = g.typed("MaxPool", x, **settings)
    _, places = g.op("MaxPool", x, outputs=2, **settings, dtype=x.dtype)
    places.dtype = ir.DataType.INT64
    return plain, g.op("Mod", places, g.size(numel(g.shape_of(x)[2:])))


@converts(p.MaxPoolInput)
def max_pool_input(g: Graph, op: p.MaxPoolInput, y: ir.Value, places: ir.Value, x: ir.Value, out: ir.Value) -> ir.Value:
    """Where windows don't overlap, each element of the input is compared with what was chosen in its window: finding places
    takes onnxruntime longer than everything else about pooling.
    """
    if _tiles(op, g.shape_of(x)[2:]):
        return _first_equal(g, op, y, x, out)
    shape = g.shape_of(x)
    flat = (*shape[:2], numel(shape[2:]))
    windows = (*shape[:2], numel(g.shape_of(y)[2:]))
    assert y.dtype is not None
    zeros = g.op("Expand", g.constant(np.array(0, y.dtype.numpy())), g.shape(flat), dtype=y.dtype)
    places = g.reshape(places, windows)
    total = g.op("ScatterElements", zeros, places, g.reshape(y, windows), axis=2, reduction="add", dtype=y.dtype)
    return g.reshape(total, shape)


def _tiles(op: p.MaxPoolInput, size: Shape) -> bool:
    """Whether every element lies in one window."""
    tiled = op.at.stride == op.kernel and not any(op.at.padding) and set(op.at.dilation) == {1}
    return tiled and all(isinstance(n, int) and n % k == 0 for n, k in zip(size, op.kernel, strict=True))


def _first_equal(g: Graph, op: p.MaxPoolInput, y: ir.Value, x: ir.Value, out: ir.Value) -> ir.Value:
    """y at the first element of each window that is equal to `out`, and 0 elsewhere."""
    shape = g.shape_of(x)
    rank = len(op.kernel)
    axes, steps = g.constant(np.arange(2, 2 + rank)), g.constant(np.array(op.kernel, np.int64))
    stops = g.constant(np.array(shape[2:], np.int64))
    left, pieces = y, []
    for place in itertools.product(*map(range, op.kernel)):
        here = g.op("Slice", x, g.constant(np.array(place, np.int64)), stops, axes, steps, dtype=x.dtype)
        hit = g.cast(g.typed("Equal", here, out, keeps=False), y.dtype)
        pieces.append(g.typed("Mul", left, hit))
        left = g.typed("Sub", left, pieces[-1])
    return _woven(g, pieces, op.kernel, g.shape_of(y))


def _woven(g: Graph, pieces: list[ir.Value], kernel: tuple[int, ...], windows: Shape) -> ir.Value:
    """Pieces of the windows' shape, one for each place of the kernel, as one of the input's: the last dim first."""
    done = list(windows)
    for dim in reversed(range(len(kernel))):
        many = kernel[dim]
        split = (*done[: 3 + dim], 1, *done[3 + dim :])
        joined = (*done[: 2 + dim], done[2 + dim] * many, *done[3 + dim :])
        groups = [pieces[i : i + many] for i in range(0, len(pieces), many)]
        pieces = []
        for group in groups:
            lifted = [g.reshape(piece, split) for piece in group]
            pieces.append(g.reshape(g.op("Concat", *lifted, axis=3 + dim, dtype=group[0].dtype), joined))
        done = list(joined)
    return pieces[0]


@converts(p.AvgPool)
def avg_pool(g: Graph, op: p.AvgPool, x: ir.Value) -> ir.Value:
    return g.typed("AveragePool", x, **windows(op.at, op.kernel), count_include_pad=1)


@converts(p.AvgPoolInput)
def avg_pool_input(g: Graph, op: p.AvgPoolInput, x: ir.Value) -> ir.Value:
    _, channels, *size = g.shape_of(x)
    assert x.dtype is not None
    share = g.constant(np.full((channels, 1, *op.kernel), 1 / math.prod(op.kernel), x.dtype.numpy()))
    extra = output_padding(op.at, op.size, tuple(size), op.kernel)
    settings = attributes(op.at._replace(groups=channels))
    return g.typed("ConvTranspose", x, share, **settings, kernel_shape=op.kernel, output_padding=extra)


def windows(at: Geometry, kernel: tuple[int, ...]) -> dict[str, Any]:
    """A pooling's geometry as ONNX's attributes."""
    settings = attributes(at)
    del settings["group"]
    if not any(n != 1 for n in at.dilation):  # which AveragePool knows from opset 19
        del settings["dilations"]
    return settings | {"kernel_shape": kernel}
