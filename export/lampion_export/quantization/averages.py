"""Means over all pixels as GlobalAveragePool, which onnxruntime computes with integers where both its ends are quantized."""

from __future__ import annotations

import onnx_ir as ir

from lampion_export.quantization.scheme import Array

_PIXELS = (2, 3)


def pool_means(model: ir.Model) -> None:
    """Rewrites ReduceMean over the pixels of float32 [batch, channel, height, width], and ReduceSum divided by their number."""
    for node in list(model.graph):
        if node.op_type == "ReduceMean" and _over_pixels(node):
            _pool(model.graph, node, node)
        elif node.op_type == "ReduceSum" and _over_pixels(node) and (division := _by_their_number(node)):
            _pool(model.graph, node, division)


def _over_pixels(node: ir.Node) -> bool:
    x, axes = node.inputs[0], _constant(node, 1)
    if x is None or x.dtype != ir.DataType.FLOAT or x.shape is None or len(x.shape) != 4 or axes is None:
        return False
    return sorted(axis % 4 for axis in axes.ravel().tolist()) == list(_PIXELS)


def _by_their_number(node: ir.Node) -> ir.Node | None:
    """The one user of the sum, if it divides by the number of pixels."""
    x, total = node.inputs[0], node.outputs[0]
    users = list(total.consumers())
    if x is None or x.shape is None or total.is_graph_output() or [user.op_type for user in users] != ["Div"]:
        return None
    height, width = (x.shape[axis] for axis in _PIXELS)
    divisor = _constant(users[0], 1)
    if not isinstance(height, int) or not isinstance(width, int) or divisor is None:
        return None
    return users[0] if divisor.size == 1 and divisor.item() == height * width else None


def _constant(node: ir.Node, place: int) -> Array | None:
    value = node.inputs[place] if place < len(node.inputs) else None
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def _pool(graph: ir.Graph, first: ir.Node, last: ir.Node) -> None:
    """Puts a GlobalAveragePool in the place of the nodes from `first` to `last`."""
    made = [ir.node("GlobalAveragePool", [first.inputs[0]], name=f"{first.name}_pool")]
    keep = first.attributes.get("keepdims")
    if keep is not None and not keep.as_int():
        made.append(ir.node("Squeeze", [made[0].outputs[0], first.inputs[1]], name=f"{first.name}_squeeze"))
    mean, old = made[-1].outputs[0], last.outputs[0]
    mean.shape, mean.type, mean.name = old.shape, old.type, old.name
    replaced = [first] if first is last else [first, last]
    ir.convenience.replace_nodes_and_values(graph, first, replaced, made, [old], [mean])
