"""How finely weights are rounded, and what rounding does to the mean of a layer's output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from lampion_export.quantization.scheme import Array

PEAK = 127
# x86 processors without VNNI add two products of an 8-bit activation (up to 255) and a weight in 16 bits, and saturate.
# Two neighbouring weights of one sign that sum up to 128 stay below: 255 * 128 < 2 ** 15. Rounding may add 0.5.
PAIR = 127.5


@dataclass(frozen=True)
class Weight:
    """A layer's weight by name: `values` as [output, ...], `axis` where the outputs lie in the file."""

    name: str
    axis: int
    values: Array

    def scales(self) -> Array:
        """The step of every output channel, float32: the finest with which no processor saturates."""
        peaks = np.abs(self.values).reshape(len(self.values), -1).max(1, initial=0)
        steps = np.maximum(peaks / PEAK, _largest_pair(_in_kernel_order(self.values)) / PAIR)
        return np.where(steps > 0, steps, 1).astype(np.float32)

    def rounding(self) -> Array:
        """What rounding adds to the weights."""
        steps = self.scales().astype(np.float64).reshape(-1, *[1] * (self.values.ndim - 1))
        return np.asarray(np.rint(self.values / steps) * steps - self.values)

    def drift(self, means: Array, group: int = 1) -> Array:
        """What rounding adds to the mean of every output channel, for inputs of these means by channel."""
        inside = self.rounding().reshape(*self.values.shape[:2], -1).sum(2)
        rows = np.repeat(means.reshape(group, -1), len(inside) // group, axis=0)
        return np.asarray((inside * rows).sum(1))


def weight_of(node: onnx.NodeProto, initializers: dict[str, onnx.TensorProto]) -> Weight | None:
    """The constant float32 weight of a Conv, Gemm or MatMul; None for any other node."""
    tensor = initializers.get(node.input[1]) if len(node.input) > 1 else None
    if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT:
        return None
    if node.op_type == "Conv":
        return Weight(tensor.name, 0, numpy_helper.to_array(tensor))
    if node.op_type not in ("Gemm", "MatMul") or len(tensor.dims) != 2:
        return None
    axis = 0 if node.op_type == "Gemm" and attribute(node, "transB", 0) else 1
    values = numpy_helper.to_array(tensor)
    return Weight(tensor.name, axis, values if axis == 0 else values.T)


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute."""
    return next((a.i for a in node.attribute if a.name == name), default)


def _in_kernel_order(values: Array) -> Array:
    """[output, everything it sums over], as onnxruntime lays it out: place by place, channels innermost."""
    return np.moveaxis(values, 1, -1).reshape(len(values), -1)


def _largest_pair(rows: Array) -> Array:
    """The largest sum of two neighbours of one sign, in every row."""
    if rows.shape[1] < 2:
        return np.zeros(len(rows))
    padded = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    return np.asarray(np.maximum(padded.clip(0).sum(2), (-padded).clip(0).sum(2)).max(1))
