"""The numbers in a graph."""

from __future__ import annotations

import onnx_ir as ir


def parameters(model: ir.Model) -> int:
    """How many numbers the weights hold, as initializers or as constants."""
    return sum(
        tensor.size for tensor in weights(model).values() if tensor.dtype.is_floating_point() or tensor.size > 64
    )


def weights(model: ir.Model) -> dict[str, ir.TensorProtocol]:
    """Initializers and constants of the graph and all graphs inside it, by name."""
    found: dict[str, ir.TensorProtocol] = {}
    for graph in model.graphs():
        found |= {
            name: value.const_value for name, value in graph.initializers.items() if value.const_value is not None
        }
    for node in model.graph.all_nodes():
        held = node.attributes.get("value") if node.op_type == "Constant" else None
        if isinstance(held, ir.Attr) and held.type == ir.AttributeType.TENSOR:
            found[node.outputs[0].name or ""] = held.as_tensor()
    return found
