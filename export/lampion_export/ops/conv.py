"""Converters of convolution and its two transposes."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from lampion.kernels.convolution import Geometry
from lampion.ops import conv as c
from lampion.symbolic import Shape, SymInt
from lampion_export.convert import converts
from lampion_export.errors import UnsupportedError
from lampion_export.graph import Graph


@converts(c.Convolution)
def convolution(g: Graph, op: c.Convolution, x: ir.Value, w: ir.Value) -> ir.Value:
    return g.typed("Conv", x, w, **attributes(op.at), **kernel_shape(g.shape_of(w)[2:]))


@converts(c.ConvolutionInput)
def input_gradient(g: Graph, op: c.ConvolutionInput, x: ir.Value, w: ir.Value) -> ir.Value:
    kernel = g.shape_of(w)[2:]
    extra = output_padding(op.at, op.size, g.shape_of(x)[2:], kernel)
    return g.typed("ConvTranspose", x, w, **attributes(op.at), **kernel_shape(kernel), output_padding=extra)


@converts(c.ConvolutionWeight)
def weight_gradient(g: Graph, op: c.ConvolutionWeight, x: ir.Value, y: ir.Value) -> ir.Value:
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


def kernel_shape(sizes: Shape) -> dict[str, Any]:
    """The attribute, which may be left away, where the sizes are known."""
    return {} if any(isinstance(n, SymInt) for n in sizes) else {"kernel_shape": sizes}


def attributes(at: Geometry) -> dict[str, Any]:
    """A geometry as ONNX's attributes. Raises UnsupportedError for one that depends on a size that varies."""
    if any(isinstance(n, SymInt) for part in (at.stride, at.padding, at.dilation) for n in part):
        raise UnsupportedError(
            f"convolution with stride {at.stride}, padding {at.padding} and dilation {at.dilation} can't be exported: ONNX "
            "wants them as known numbers",
            hint="leave the axis of the kernel out of `dynamic`",
        )
    return {"strides": at.stride, "pads": (*at.padding, *at.padding), "dilations": at.dilation, "group": at.groups}


def output_padding(at: Geometry, size: Shape, windows: Shape, kernel: Shape) -> tuple[int, ...]:
    """What the smallest input with that many windows lacks to `size`, per spatial dim."""
    extra = []
    for want, n, k, s, p, d in zip(size, windows, kernel, at.stride, at.padding, at.dilation, strict=True):
        missing = want - ((n - 1) * s - 2 * p + d * (k - 1) + 1)
        if isinstance(missing, SymInt):
            raise UnsupportedError(
                f"convolution with stride {s} transposed along a dynamic axis: its size `{want}` is not fixed by `{n}`"
            )
        extra.append(missing)
    return tuple(extra)
