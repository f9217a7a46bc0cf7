"""What many slices of a Tensor send back to it as gradients, put side by side instead of added up among zeros."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from lampion.ops.arithmetic import Add
from lampion.ops.index import Unslice
from lampion.ops.shape import Concat
from lampion.symbolic import Spec
from lampion.tape import Node, Value

Piece = tuple[int, int, Value]  # from where to where along one dim


def put_together(nodes: list[Node], outputs: Iterable[Value]) -> None:
    """Makes a Concat of every sum of slices that fill a Tensor along one dim, in place."""
    uses = Counter(v.key for node in nodes for v in node.inputs or ())
    uses.update(v.key for v in outputs)
    inner: set[Node] = set()
    for node in reversed(nodes):  # from a whole sum to its parts
        if type(node.op) is Add and node not in inner:
            terms = _terms(node, uses, inner)
            joined = _joined(terms, node.data[0])
            if joined is not None:
                node.op, node.inputs = joined


def _terms(node: Node, uses: Counter[object], inner: set[Node]) -> list[Value]:
    """What a sum is made of, through sums that nobody else uses."""
    terms: list[Value] = []
    waiting = [*(node.inputs or ())]
    while waiting:
        value = waiting.pop()
        below = value.node
        same = below is not None and type(below.op) is Add and below.data[0].shape == node.data[0].shape
        if below is not None and same and uses[value.key] == 1:
            inner.add(below)
            waiting += below.inputs or ()
        else:
            terms.append(value)
    return terms


def _joined(terms: list[Value], whole: Spec) -> tuple[Concat, tuple[Value, ...]] | None:
    """The Concat that a sum is, with zeros in its gaps; None where it is none."""
    if len(terms) < 2:
        return None
    dims, pieces = set(), []
    for term in terms:
        node = term.node
        if node is None or not isinstance(node.op, Unslice) or not node.inputs:
            return None
        cut = [d for d, r in enumerate(node.op.ranges) if r != (0, whole.shape[d], 1)]
        if (
            len(cut) != 1
            or not all(isinstance(n, int) for n in node.op.ranges[cut[0]])
            or node.op.ranges[cut[0]][2] != 1
        ):
            return None
        dims.add(cut[0])
        pieces.append((*node.op.ranges[cut[0]][:2], node.inputs[0]))
    if len(dims) != 1:
        return None
    [dim] = dims
    filled = _filled(sorted(pieces, key=lambda piece: piece[:2]), whole, dim)
    return None if filled is None else (Concat(dim), filled)


def _filled(pieces: list[Piece], whole: Spec, dim: int) -> tuple[Value, ...] | None:
    """The pieces in order with zeros between them; None where two overlap, or the zeros' shape is not known."""
    parts: list[Value] = []
    end = 0
    for start, stop, value in [*pieces, (whole.shape[dim], whole.shape[dim], None)]:
        shape = (*whole.shape[:dim], start - end, *whole.shape[dim + 1 :])
        if not all(isinstance(n, int) for n in shape) or start < end:
            return None
        if start > end:
            parts.append(Value(np.zeros(shape, whole.dtype)))
        if value is not None:
            parts.append(value)
        end = stop
    return tuple(parts)
