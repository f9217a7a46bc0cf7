"""A matrix product that is turned over becomes the product of the turned factors: such is the gradient of a weight."""

from __future__ import annotations

import onnx_ir as ir


class TransposedProduct(ir.passes.InPlacePass):
    """(a^T b)^T  ->  b^T a, where nobody else wants the product. onnxruntime reads a factor turned over without a copy."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Turns them in all graphs."""
        found = [n for n in ir.traversal.RecursiveGraphIterator(model.graph) if _is_turn(n)]
        turned = [_turn(node) for node in found]
        return ir.passes.PassResult(model, modified=any(turned))


def _is_turn(node: ir.Node | None) -> bool:
    """Whether a node transposes a matrix."""
    return node is not None and node.op_type == "Transpose" and node.attributes.get_ints("perm") == (1, 0)


def _turn(node: ir.Node) -> bool:
    product = node.inputs[0]
    matmul = product.producer() if product is not None else None
    if product is None or matmul is None or matmul.op_type != "MatMul" or matmul.graph is not node.graph:
        return False
    factors = matmul.inputs
    if (
        product.is_graph_output()
        or len(product.uses()) != 1
        or not any(_is_turn(x.producer()) for x in factors if x is not None)
    ):
        return False
    new = ir.node("MatMul", [_turned(x, node) for x in reversed(factors)])
    result, old = new.outputs[0], node.outputs[0]
    result.name, result.type, result.shape = old.name, old.type, old.shape
    graph = node.graph
    assert graph is not None
    graph.insert_before(node, new)
    ir.convenience.replace_all_uses_with(old, result, replace_graph_outputs=True)
    graph.remove([node, matmul], safe=True)
    return True


def _turned(x: ir.Value | None, before: ir.Node) -> ir.Value | None:
    """A factor turned over; what it was, where it is itself one that was turned."""
    assert x is not None
    assert before.graph is not None
    producer = x.producer()
    if producer is not None and _is_turn(producer):
        return producer.inputs[0]
    turn = ir.node("Transpose", [x], {"perm": [1, 0]})
    turn.outputs[0].name, turn.outputs[0].type = f"{x.name}_turned_for_{before.outputs[0].name}", x.type
    before.graph.insert_before(before, turn)
    return turn.outputs[0]
