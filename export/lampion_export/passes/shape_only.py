"""What stands for a value of which only the shape is known: that is all that may be asked of it."""

from __future__ import annotations

import onnx_ir as ir

from lampion_export.errors import UnsupportedError
from lampion_export.ops.control import SHAPE_ONLY


class ShapeOnly(ir.passes.InPlacePass):
    """shape(stand_in(s))  ->  s. Raises UnsupportedError where something else is asked of a stand-in."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """In all graphs."""
        nodes = [n for n in ir.traversal.RecursiveGraphIterator(model.graph) if SHAPE_ONLY in n.metadata_props]
        for node in nodes:
            for use in list(node.outputs[0].uses()):
                _answer(use.node, node)
        return ir.passes.PassResult(model, modified=bool(nodes))


def _answer(asking: ir.Node, stand_in: ir.Node) -> None:
    if asking.op_type != "Shape" or asking.graph is None:
        raise UnsupportedError(
            f"the gradient of the loop at {stand_in.metadata_props[SHAPE_ONLY]} needs the numbers of a value that changes its "
            f"shape from turn to turn ({asking.op_type} reads them), which a file doesn't keep",
            hint="a value of one shape, such as one padded to its largest size; a list may grow if the loop doesn't read it",
        )
    asked = asking.outputs[0]
    bounds = [asking.attributes.get_int("start", 0), asking.attributes.get_int("end", 2**31)]
    ends = [ir.node("Constant", [], {"value_ints": [bound]}) for bound in bounds]
    part = ir.node("Slice", [stand_in.inputs[0], *[end.outputs[0] for end in ends]])
    for node, name in zip((*ends, part), ("start", "end", "part"), strict=True):
        node.outputs[0].name, node.outputs[0].dtype = f"{asked.name}_{name}", ir.DataType.INT64
    asking.graph.insert_before(asking, [*ends, part])
    ir.convenience.replace_all_uses_with(asked, part.outputs[0], replace_graph_outputs=True)
    asking.graph.remove(asking, safe=True)
