"""Converters of control flow: ONNX's If and Loop, whose bodies see the values around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from lampion.blocks import Block, Controlled, Given, If, Loop
from lampion.checks import Checked
from lampion.symbolic import Spec
from lampion_export.convert import convert_nodes, converts, refuses
from lampion_export.graph import Graph

SOURCE = "lampion.source"  # the key under which a node says file:line
SHAPE_ONLY = "lampion.shape_only"  # that of a node whose numbers nobody may ask for

refuses("what a block is given are the inputs of its graph, and no node of it", Given)


@converts(If)
def if_(g: Graph, op: If, condition: ir.Value, *captured: ir.Value) -> list[ir.Value]:
    then, other = (_filled(Graph(g.opset, outer=g), block) for block in op.blocks)
    return _from(op, g.op("If", condition, outputs=len(op.outputs), then_branch=then, else_branch=other))


@converts(Loop)
def loop(g: Graph, op: Loop, condition: ir.Value, *inputs: ir.Value) -> list[ir.Value]:
    [block] = op.blocks
    limit = None if op.limit is None else g.scalar(op.limit)
    counter, unused = ir.val(f"turn_{g.root.count}", ir.DataType.INT64, []), _flag(g)
    inner = Graph(g.opset, outer=g)
    inner.graph.inputs.extend([counter, unused])
    states, rows = block.inputs[1 : 1 + op.states], block.inputs[1 + op.states :]
    for value in states:
        g.root.count += 1
        inner.input(f"state_{g.root.count}", value)
    turn = _counted_down(inner, limit, counter) if limit is not None and op.backwards else counter
    inner.bind(block.inputs[0].key, block.inputs[0].data, turn)
    for value, many, whole in zip(rows, inputs[op.states :], op.whole, strict=False):
        row = inner.op("Gather", many, turn, axis=0, dtype=value.data.dtype if whole else np.int64)
        inner.bind(value.key, value.data, row if whole else _stand_in(inner, row, value.data, op))
    body = _filled(inner, block)
    results = _from(op, g.op("Loop", limit, condition, *inputs[: op.states], outputs=len(op.outputs), body=body))
    stacked = results[op.states :]
    return [*results[: op.states], *([_reversed(g, x) for x in stacked] if op.backwards else stacked)]


def _flag(g: Graph) -> ir.Value:
    return ir.val(f"condition_{g.root.count}", ir.DataType.BOOL, [])


def _counted_down(g: Graph, limit: ir.Value, counter: ir.Value) -> ir.Value:
    last = g.op("Sub", limit, g.constant(np.array(1, np.int64)), dtype=np.int64)
    return g.op("Sub", last, counter, dtype=np.int64)


def _stand_in(g: Graph, shape: ir.Value, spec: Spec, op: Loop) -> ir.Value:
    """Zeros in place of a value of which only the shape is known."""
    result: ir.Value = g.op("ConstantOfShape", shape, value=ir.tensor(np.zeros(1, spec.dtype)), dtype=spec.dtype)
    node = result.producer()
    assert node is not None
    node.metadata_props[SHAPE_ONLY] = Path(op.where).name
    return result


def _reversed(g: Graph, x: ir.Value) -> ir.Value:
    start, end, axis, step = (g.constant(np.array([n], np.int64)) for n in (-1, np.iinfo(np.int64).min, 0, -1))
    return g.op("Slice", x, start, end, axis, step, dtype=x.dtype)


@converts(Checked)
def checked(g: Graph, op: Checked, x: ir.Value, *holds: ir.Value) -> ir.Value:
    """Looks up place 0 of one where the check holds, else place 1, which fails and names the node; then adds what it found."""
    shape = g.op("Shape", x, dtype=np.int64)
    for message, condition in zip(op.messages, holds, strict=True):
        place = g.op("Where", condition, *[g.constant(np.array(n, np.int64)) for n in (0, 1)], dtype=np.int64)
        zero = g.op("Gather", g.constant(np.array([0], np.int64)), place, dtype=np.int64)
        zero.producer().name = f"check: {message}"
        shape = g.op("Add", shape, zero, dtype=np.int64)
    return g.op("Reshape", x, shape, allowzero=1, dtype=x.dtype)


def _filled(inner: Graph, block: Block) -> ir.Graph:
    """The graph of a block whose inputs are known inside of it."""
    convert_nodes(inner, block.nodes)
    for value in block.outputs:
        result = inner.op("Identity", inner.value(value), dtype=np.dtype(value.data.dtype))
        inner.graph.outputs.append(result)
    return inner.graph


def _from(op: Controlled, outputs: ir.Value | list[ir.Value]) -> list[ir.Value]:
    """The outputs of a node that says which line of the user's it comes from; without the folder, which is this machine's."""
    many = outputs if isinstance(outputs, list) else [outputs]
    node = many[0].producer()
    assert node is not None
    node.metadata_props[SOURCE] = Path(op.where).name
    return many
