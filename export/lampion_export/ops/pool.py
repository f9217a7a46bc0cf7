"""Converters of pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.kernels.convolution import Geometry
from lampion.ops import pool as p
from lampion.symbolic import numel
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
