"""An Identity that only renames goes."""

from __future__ import annotations

import onnx_ir as ir


class DropIdentity(ir.passes.InPlacePass):
    """y = Identity(x) -> x, except where y is an output and x is not made by a node beside it, or is an output itself.

    A body of If or Loop gives values of its own only: one from around it needs an Identity to get out.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Drops what can go, in all graphs."""
        found = [n for n in ir.traversal.RecursiveGraphIterator(model.graph) if n.op_type == "Identity"]
        dropped = [_drop(node) for node in found]
        return ir.passes.PassResult(model, modified=any(dropped))


def _drop(node: ir.Node) -> bool:
    [x], [y] = node.inputs, node.outputs
    assert x is not None
    if y.is_graph_output():
        producer = x.producer()
        if producer is None or producer.graph is not node.graph or x.is_graph_output():
            return False
        x.name, x.type = y.name, y.type or x.type
        x.shape = x.shape if y.shape is None else y.shape
    assert node.graph is not None
    ir.convenience.replace_all_uses_with(y, x, replace_graph_outputs=True)
    node.graph.remove(node, safe=True)
    return True
