"""Conv followed by a multiplication or addition of one constant per channel becomes one Conv: batch norm, and biases."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from lampion_export.graph import Array, known


class AffineIntoConv(ir.passes.InPlacePass):
    """y = (conv(x, w) + b) * s  ->  conv(x, w * s) + b * s, and so for + s."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        changed = False
        for node in list(model.graph):
            if node.op_type in ("Mul", "Add") and self._fold(model.graph, node):
                changed = True
        return ir.passes.PassResult(model, changed)

    def _fold(self, graph: ir.Graph, node: ir.Node) -> bool:
        for x, other in (node.inputs, reversed(node.inputs)):
            conv = x.producer() if x is not None else None
            if conv is None or conv.op_type != "Conv" or len(x.uses()) != 1 or other is None:
                continue
            parts = [None if v is None else known(v) for v in conv.inputs[1:]]
            weight = parts[0]
            constant = known(other)
            if weight is None or constant is None or (len(parts) == 2 and parts[1] is None):
                continue
            per_channel = _per_channel(constant, weight)
            if per_channel is None:
                continue
            bias = parts[1] if len(parts) == 2 and parts[1] is not None else np.zeros(len(weight), weight.dtype)
            if node.op_type == "Mul":
                weight, bias = weight * per_channel.reshape(-1, *[1] * (weight.ndim - 1)), bias * per_channel
            else:
                bias = bias + per_channel
            self._replace(graph, node, conv, weight, bias)
            return True
        return False

    def _replace(self, graph: ir.Graph, node: ir.Node, conv: ir.Node, weight: Array, bias: Array) -> None:
        old = conv.inputs[1]
        assert old is not None
        base = (old.name or "conv").removesuffix(".folded")
        values = []
        for name, array in ((f"{base}.folded", weight), (f"{base}.bias", bias)):
            value = ir.val(_unused(graph, name), const_value=ir.tensor(np.ascontiguousarray(array)))
            assert value.const_value is not None
            value.const_value.name = value.name
            graph.register_initializer(value)
            values.append(value)
        folded = ir.node("Conv", [conv.inputs[0], *values], conv.attributes.copy(), outputs=None)
        out = folded.outputs[0]
        out.name, out.dtype, out.shape = node.outputs[0].name, node.outputs[0].dtype, node.outputs[0].shape
        graph.insert_after(node, folded)
        ir.convenience.replace_all_uses_with(node.outputs[0], out)
        graph.remove(node, safe=True)
        graph.remove(conv, safe=True)


def _per_channel(constant: Array, weight: Array) -> Array | None:
    """A constant that broadcasts to one number per channel of the output, as [channels]."""
    rank, channels = weight.ndim, len(weight)
    shape = (1,) * (rank - constant.ndim) + constant.shape
    if constant.ndim > rank or math.prod(shape) not in (1, channels) or shape[1] not in (1, channels):
        return None
    if math.prod(shape) == channels and shape[1] != channels:
        return None
    return np.broadcast_to(constant.reshape(-1), (channels,)).astype(weight.dtype)


def _unused(graph: ir.Graph, name: str) -> str:
    while name in graph.initializers:
        name += "_"
    return name
