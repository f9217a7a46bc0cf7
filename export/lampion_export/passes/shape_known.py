"""Where the shape of a value is at hand as a value itself, nobody needs the numbers for it."""

from __future__ import annotations

import onnx_ir as ir

from lampion_export.ops.control import SHAPE


class ShapeKnown(ir.passes.InPlacePass):
    """shape(x, start, end)  ->  slice(s, start, end), where s is known to be the shape of x."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """In all graphs."""
        asking = [
            n
            for n in ir.traversal.RecursiveGraphIterator(model.graph)
            if n.op_type == "Shape" and n.inputs[0] is not None and SHAPE in n.inputs[0].meta
        ]
        for node in asking:
            _answer(node)
        return ir.passes.PassResult(model, modified=bool(asking))


def _answer(node: ir.Node) -> None:
    [x], [asked] = node.inputs, node.outputs
    assert x is not None
    assert node.graph is not None
    bounds = node.attributes.get_int("start", 0), node.attributes.get_int("end", 2**31)
    ends = [ir.node("Constant", [], {"value_ints": [bound]}) for bound in bounds]
    part = ir.node("Slice", [x.meta[SHAPE], *[end.outputs[0] for end in ends]])
    for new, name in zip((*ends, part), ("start", "end", "part"), strict=True):
        new.outputs[0].name, new.outputs[0].dtype = f"{asked.name}_{name}", ir.DataType.INT64
    node.graph.insert_before(node, [*ends, part])
    ir.convenience.replace_all_uses_with(asked, part.outputs[0], replace_graph_outputs=True)
    node.graph.remove(node, safe=True)
