"""What the turns of a Loop give, stacked, goes where nobody reads it."""

from __future__ import annotations

import onnx_ir as ir


class UnusedRows(ir.passes.InPlacePass):
    """state, a, b = Loop(...)  ->  state, b = Loop(...), where nobody uses a."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Drops them in all graphs."""
        loops = [n for n in ir.traversal.RecursiveGraphIterator(model.graph) if n.op_type == "Loop"]
        dropped = [_drop(node) for node in loops]
        return ir.passes.PassResult(model, modified=any(dropped))


def _drop(node: ir.Node) -> bool:
    states = len(node.inputs) - 2
    rows, body = node.outputs[states:], node.attributes["body"].as_graph()
    used = [i for i, y in enumerate(rows) if y.uses() or y.is_graph_output()]
    for target, i in zip(rows, used, strict=False):
        if target is not rows[i]:
            target.name, target.type, target.shape = rows[i].name, rows[i].type, rows[i].shape
            ir.convenience.replace_all_uses_with(rows[i], target, replace_graph_outputs=True)
    node.resize_outputs(states + len(used))
    for i in sorted(set(range(len(rows))) - set(used), reverse=True):
        body.outputs.pop(1 + states + i)
    return len(used) < len(rows)
