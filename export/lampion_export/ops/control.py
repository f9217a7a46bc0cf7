"""Converters of control flow: ONNX's If and Loop, whose bodies see the values around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.checks import Checked
from lampion.control import Block, Controlled, If, Loop
from lampion_export.convert import convert_nodes, converts
from lampion_export.graph import Graph

SOURCE = "lampion.source"  # the key under which a node says file:line


@converts(If)
def if_(g: Graph, op: If, condition: ir.Value, *captured: ir.Value) -> list[ir.Value]:
    then, other = (_body(g, block, ()) for block in op.blocks)
    return _from(op, g.op("If", condition, outputs=len(op.outputs), then_branch=then, else_branch=other))


@converts(Loop)
def loop(g: Graph, op: Loop, condition: ir.Value, *inputs: ir.Value) -> list[ir.Value]:
    [block] = op.blocks
    unused = ir.val(f"condition_{g.root.count}", ir.DataType.BOOL, [])
    limit = None if op.limit is None else g.scalar(op.limit)
    body = _body(g, block, (block.inputs[0], unused, *block.inputs[1:]))
    return _from(op, g.op("Loop", limit, condition, *inputs[: op.states], outputs=len(op.outputs), body=body))


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


def _body(g: Graph, block: Block, inputs: Sequence[Any]) -> ir.Graph:
    """A block as a graph inside `g`."""
    inner = Graph(g.opset, outer=g)
    for value in inputs:
        if isinstance(value, ir.Value):
            inner.graph.inputs.append(value)
        else:
            g.root.count += 1
            inner.input(f"state_{g.root.count}", value)
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
