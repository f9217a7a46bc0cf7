"""Conv followed by a multiplication or addition of one constant per channel becomes one Conv: batch norm, and biases."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from lampion_export.graph import Array, known


class AffineIntoConv(ir.passes.InPlacePass):
    """(conv(x, w) + b) * s  ->  conv(x, w * s) + b * s, and so for + s."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        folded = [_fold(model.graph, node) for node in model.graph if node.op_type in ("Mul", "Add")]
        return ir.passes.PassResult(model, any(folded))


def _fold(graph: ir.Graph, node: ir.Node) -> bool:
    """Folds `node` into the Conv that feeds it, where there is one and nobody else uses what it gives."""
    for x, constant in (node.inputs, reversed(node.inputs)):
        conv = x.producer() if x is not None else None
        if conv is None or x is None or constant is None or conv.op_type != "Conv" or len(x.uses()) != 1:
            continue
        parts = _weight_and_bias(conv)
        if parts is None:
            continue
        weight, bias = parts
        each = _per_channel(known(constant), weight)
        if each is None:
            continue
        if node.op_type == "Mul":
            _replace(graph, node, conv, weight * each.reshape(-1, *[1] * (weight.ndim - 1)), bias * each)
        else:
            _replace(graph, node, conv, weight, bias + each)
        return True
    return False


def _weight_and_bias(conv: ir.Node) -> tuple[Array, Array] | None:
    """The numbers of a Conv, if they are known."""
    known_parts = [known(v) for v in conv.inputs[1:] if v is not None]
    if not known_parts or any(part is None for part in known_parts):
        return None
    weight = known_parts[0]
    assert weight is not None
    bias = known_parts[1] if len(known_parts) == 2 else None
    return weight, np.zeros(len(weight), weight.dtype) if bias is None else bias


def _per_channel(constant: Array | None, weight: Array) -> Array | None:
    """A constant that broadcasts to one number per channel of the output, as [channels]."""
    if constant is None or constant.ndim > weight.ndim:
        return None
    channels = len(weight)
    shape = (1,) * (weight.ndim - constant.ndim) + constant.shape
    if math.prod(shape) != shape[1] or shape[1] not in (1, channels):
        return None
    return np.broadcast_to(constant.reshape(-1), (channels,)).astype(weight.dtype)


def _replace(graph: ir.Graph, node: ir.Node, conv: ir.Node, weight: Array, bias: Array) -> None:
    """Puts a Conv with other numbers in place of `conv` and `node`."""
    old = conv.inputs[1]
    name = (old.name if old is not None and old.name else "conv").removesuffix(".folded")
    parts = [_initializer(graph, f"{name}.folded", weight), _initializer(graph, f"{name}.bias", bias)]
    folded = ir.node("Conv", [conv.inputs[0], *parts], conv.attributes.copy())
    new, last = folded.outputs[0], node.outputs[0]
    new.name, new.shape, new.type = last.name, last.shape, last.type
    graph.insert_after(node, folded)
    ir.convenience.replace_all_uses_with(last, new)
    graph.remove(node, safe=True)
    graph.remove(conv, safe=True)


def _initializer(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    while name in graph.initializers:
        name += "_"
    value = ir.val(name, const_value=ir.tensor(np.ascontiguousarray(array), name=name))
    graph.register_initializer(value)
    return value
