"""Which outputs of a graph hang on random numbers, so that no two runs agree."""

from __future__ import annotations

import onnx_ir as ir

RANDOM = {"RandomUniformLike", "RandomNormalLike"}


def drawn_outputs(model: ir.Model) -> frozenset[str]:
    """The names of the outputs that depend on a random operator."""
    found: set[ir.Value] = set()
    for node in model.graph:
        inside = [n for g in _graphs(node) for n in g.all_nodes()]
        used = [x for n in (node, *inside) for x in n.inputs]
        if any(n.op_type in RANDOM for n in (node, *inside)) or any(x in found for x in used):
            found.update(node.outputs)
    return frozenset(v.name for v in model.graph.outputs if v in found and v.name is not None)


def _graphs(node: ir.Node) -> list[ir.Graph]:
    return [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
