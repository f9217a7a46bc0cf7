"""Converters of control flow: ONNX's If and Loop, whose bodies see the values around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.blocks import Block, Controlled, Given, If, Loop
from lampion.checks import Checked
from lampion.tape import Value
from lampion_export.convert import convert_nodes, converts, refuses
from lampion_export.graph import Graph

SOURCE = "lampion.source"  # the key under which a node says file:line
SHAPE = "lampion.shape"  # in a value's `meta`: its shape, as a value

refuses("what a block is given are the inputs of its graph, and no node of it", Given)


@converts(If)
def if_(g: Graph, op: If, condition: ir.Value, *captured: ir.Value) -> list[ir.Value]:
    then, other = (_filled(Graph(g.opset, outer=g), block) for block in op.blocks)
    return _from(op, g.op("If", condition, outputs=len(op.outputs), then_branch=then, else_branch=other))


@converts(Loop)
def loop(g: Graph, op: Loop, condition: ir.Value, *inputs: ir.Value) -> list[ir.Value]:
    """Things that differ in shape from turn to turn are carried as sequences, after the states."""
    [block] = op.blocks
    limit = None if op.limit is None else g.scalar(op.limit)
    inner = Graph(g.opset, outer=g)
    counter = inner.graph_input("turn", ir.TensorType(ir.DataType.INT64), ir.Shape([]))
    inner.graph_input("condition", ir.TensorType(ir.DataType.BOOL), ir.Shape([]))
    states, rows = block.inputs[1 : 1 + op.states], block.inputs[1 + op.states :]
    for value in states:
        inner.input(inner.named("state"), value)
    ragged = [inner.value(v) for v, whole in zip(states, op.kept, strict=False) if not whole]
    kinds = [_sequence(v.data.dtype) for v, whole in zip(states, op.kept, strict=False) if not whole]
    before = [inner.graph_input("sequence", kind) for kind in kinds]
    turn = _counted_down(inner, limit, counter) if limit is not None and op.backwards else counter
    inner.bind(block.inputs[0].key, block.inputs[0].data, turn)
    _bind_rows(inner, op, rows, inputs[op.states :], turn)
    convert_nodes(inner, block.nodes)
    after = [_typed(inner.op("SequenceInsert", s, x), s.type) for s, x in zip(before, ragged, strict=True)]
    given = [_given(inner, v) for v in block.outputs]
    inner.graph.outputs.extend([*given[: 1 + op.states], *after, *given[1 + op.states :]])
    empty = [_empty(g, kind) for kind in kinds]
    results = _from(
        op, g.op("Loop", limit, condition, *inputs[: op.states], *empty, outputs=len(op.outputs), body=inner.graph)
    )
    carried, stacked = results[: op.states + len(after)], results[op.states + len(after) :]
    stacked = [_reversed(g, x) for x in stacked] if op.backwards else stacked
    sequences = [_typed(x, kind) for x, kind in zip(carried[op.states :], kinds, strict=True)]
    return [*carried[: op.states], *stacked, *sequences]


def _sequence(kind: np.dtype[Any]) -> ir.SequenceType:
    return ir.SequenceType(ir.TensorType(ir.DataType.from_numpy(kind)))


def _empty(g: Graph, kind: ir.SequenceType) -> ir.Value:
    result = _typed(g.op("SequenceEmpty"), kind)
    result.producer().attributes["dtype"] = ir.AttrInt64("dtype", kind.dtype.value)  # type: ignore[union-attr]
    return result


def _typed(x: ir.Value, kind: ir.TypeProtocol | None) -> ir.Value:
    x.type = kind
    return x


def _bind_rows(g: Graph, op: Loop, rows: Sequence[Value], inputs: Sequence[ir.Value], turn: ir.Value) -> None:
    """What the block takes of every row: its own part, which of those that are not whole comes from a sequence."""
    sequences = iter(inputs[len(rows) :])
    for value, many, whole in zip(rows, inputs, op.whole, strict=False):
        row = g.op("Gather", many, turn, axis=0, dtype=value.data.dtype if whole else np.int64)
        if not whole:
            part = g.op("SequenceAt", next(sequences), turn, dtype=value.data.dtype)
            part.meta[SHAPE], row = row, part
        g.bind(value.key, value.data, row)


def _counted_down(g: Graph, limit: ir.Value, counter: ir.Value) -> ir.Value:
    last = g.op("Sub", limit, g.constant(np.array(1, np.int64)), dtype=np.int64)
    return g.op("Sub", last, counter, dtype=np.int64)


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
    """The graph of a block that takes nothing."""
    convert_nodes(inner, block.nodes)
    inner.graph.outputs.extend([_given(inner, v) for v in block.outputs])
    return inner.graph


def _given(g: Graph, value: Value) -> ir.Value:
    result: ir.Value = g.op("Identity", g.value(value), dtype=np.dtype(value.data.dtype))
    return result


def _from(op: Controlled, outputs: ir.Value | list[ir.Value]) -> list[ir.Value]:
    """The outputs of a node that says which line of the user's it comes from; without the folder, which is this machine's."""
    many = outputs if isinstance(outputs, list) else [outputs]
    node = many[0].producer()
    assert node is not None
    node.metadata_props[SOURCE] = Path(op.where).name
    return many
