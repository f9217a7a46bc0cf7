"""Converters of convolution and of its transpose; that in its weight stands in conv_weight.py."""

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
