"""What the turns of a Loop give, stacked or in a sequence, goes where nobody reads it."""

from __future__ import annotations

import onnx_ir as ir


class UnusedRows(ir.passes.InPlacePass):
    """state, sequence, a, b = Loop(...)  ->  state, b = Loop(...), where nobody uses a and the sequence."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Drops them in all graphs."""
        loops = [n for n in ir.traversal.RecursiveGraphIterator(model.graph) if n.op_type == "Loop"]
        dropped = [_drop(node) for node in loops]
        return ir.passes.PassResult(model, modified=any(dropped))


def _drop(node: ir.Node) -> bool:
    carried, body = len(node.inputs) - 2, node.attributes["body"].as_graph()
    unused = [i for i, y in enumerate(node.outputs) if not y.uses() and not y.is_graph_output()]
    unused = [i for i in unused if i >= carried or isinstance(body.inputs[2 + i].type, ir.SequenceType)]
    kept = [i for i in range(len(node.outputs)) if i not in unused]
    for target, i in zip(node.outputs, kept, strict=False):
        if target is not node.outputs[i]:
            _move(node.outputs[i], target)
    node.resize_outputs(len(kept))
    for i in reversed(unused):
        inserted = body.outputs.pop(1 + i).producer()
        if i < carried:
            assert inserted is not None
            body.remove(inserted, safe=True)
            body.inputs.pop(2 + i)
            _drop_input(node, 2 + i)
    return bool(unused)


def _move(source: ir.Value, target: ir.Value) -> None:
    target.name, target.type, target.shape = source.name, source.type, source.shape
    ir.convenience.replace_all_uses_with(source, target, replace_graph_outputs=True)


def _drop_input(node: ir.Node, place: int) -> None:
    for i in range(place, len(node.inputs) - 1):
        node.replace_input_with(i, node.inputs[i + 1])
    node.resize_inputs(len(node.inputs) - 1)
