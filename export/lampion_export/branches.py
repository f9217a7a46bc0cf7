"""Which ways an exported graph goes: a copy of it that also counts them.

A copy, because what is compared must be what is shipped. Every If and Loop of the copy gives one more output, an int64 vector
with a place for each way of each of them: a branch adds a one at its own place and what its body counted, a Loop carries the
vector from turn to turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from lampion_edge import Session
from lampion_export.ops.control import SOURCE

Array = np.ndarray[Any, Any]
Taken = frozenset[int]

TAKEN = "lampion.taken"
LIMIT = "lampion.limit"
WAYS = {"If": ("true", "false"), "Loop": ("no turn", "one turn", "several turns")}

BODIES = {"If": ("then_branch", "else_branch"), "Loop": ("body",)}


@dataclass(frozen=True)
class Way:
    """One way through an If or a Loop, and how many of the inputs compared took it; the model itself refused `refused` more.

    `where` is file:line of the model, or the node's name where that isn't known.
    """

    where: str
    kind: str
    name: str
    inputs: int = 0
    refused: int = 0

    def __str__(self) -> str:
        return f"{self.where} {self.kind}: {self.name}"


class Watch:
    """A copy of a model that tells, besides its outputs, how often each of `ways` is taken.

    Raises what `Session` raises.
    """

    def __init__(self, model: ir.Model) -> None:
        proto = ir.to_proto(model)
        del proto.metadata_props[:]  # a card would speak of other outputs
        copy = _Copy(proto)
        self.ways, self._places = copy.ways, copy.places
        self._session = _opened(model, proto)

    def taken(self, inputs: Mapping[str, Array], limit: int) -> tuple[Taken, int]:
        """The ways that inputs take, by their places in `ways`, and the number of choices and turns; at `limit` all loops end.

        Raises InputError or RunError, as the model itself does.
        """
        counts = self._session.run({**inputs, LIMIT: np.array(limit, np.int64)}, [TAKEN])[TAKEN]
        return frozenset(np.flatnonzero(counts[self._places]).tolist()), int(counts.sum())


def has_branches(model: ir.Model) -> bool:
    """Whether the graph has an If or a Loop."""
    return any(node.op_type in WAYS for node in model.graph)


def numbers(model: ir.Model) -> list[float]:
    """The single numbers that the graph was built with: what it compares with is among them."""
    tensors = [v.const_value for v in model.graph.initializers.values() if v.const_value is not None]
    single = [t.numpy() for t in tensors if t.size == 1 and (t.dtype.is_floating_point() or t.dtype.is_integer())]
    return sorted({float(n.reshape(())) for n in single if np.isfinite(n.astype(np.float64)).all()})


def _opened(model: ir.Model, copy: onnx.ModelProto) -> Session:
    """The copy in a Session; beside the weights, where these lie in a file of their own."""
    tensors = [v.const_value for v in model.graph.initializers.values()]
    folder = next((t.base_dir for t in tensors if isinstance(t, ir.ExternalTensor)), None)
    if folder is None:
        return Session(copy.SerializeToString())
    with NamedTemporaryFile(dir=str(folder), suffix=".onnx") as file:
        file.write(copy.SerializeToString())
        file.flush()
        return Session(file.name)


class _Copy:
    """Changes a model so that it counts; `places` are those of `ways` in the vector, which also counts every turn."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        graph = proto.graph
        self.root = graph
        self.count = 0
        self.width = sum(len(WAYS[kind]) + (kind == "Loop") for kind in _kinds(graph))
        self.ways: list[Way] = []
        self.places: list[int] = []
        self._used = 0
        self._seen: Counter[str] = Counter()
        self._zeros = self._constant(np.zeros(self.width, np.int64))
        graph.input.append(helper.make_tensor_value_info(LIMIT, onnx.TensorProto.INT64, []))
        self._always = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.BOOL and _is_true(i)}
        graph.output.append(self._vector(self._total(graph, self._watched(graph), TAKEN)))

    def _watched(self, graph: onnx.GraphProto) -> list[str]:
        """The vectors of the forks in a graph."""
        forks = [node for node in graph.node if node.op_type in WAYS]
        return [self._if(node) if node.op_type == "If" else self._loop(graph, node) for node in forks]

    def _if(self, node: onnx.NodeProto) -> str:
        first = self._claim(node, WAYS["If"])
        for i, branch in enumerate(BODIES["If"]):
            graph = _body(node, branch)
            total = self._total(graph, [self._one(first + i), *self._watched(graph)])
            graph.output.append(self._vector(total))
        node.output.append(self._new())
        return node.output[-1]

    def _loop(self, graph: onnx.GraphProto, node: onnx.NodeProto) -> str:
        """The vector is carried behind the other states; afterwards the turns counted in it say which way was taken."""
        bounded = bool(node.input and node.input[0])
        always = not bounded and (len(node.input) < 2 or node.input[1] in {"", *self._always})
        first = self._claim(node, WAYS["Loop"], skip=1 if always else 0)
        turns = self._used
        self._used += 1
        self._carry(node, turns)
        counted = node.output[len(node.input) - 3]
        rows = np.zeros((3, self.width), np.int64)
        rows[range(3), range(first, first + 3)] = 1
        turned = self._node(graph, "Gather", counted, self._constant(np.array(turns)))
        which = self._node(graph, "Min", turned, self._constant(np.array(2)))
        return self._node(graph, "Add", counted, self._node(graph, "Gather", self._constant(rows), which))

    def _carry(self, node: onnx.NodeProto, turns: int) -> None:
        body = _body(node, "body")
        states = len(body.input) - 2
        node.input.extend([""] * (2 - len(node.input)))
        node.input.append(self._zeros)
        body.input.append(self._vector(self._new()))
        total = self._total(body, [body.input[-1].name, self._one(turns), *self._watched(body)])
        body.output.insert(1 + states, self._vector(total))
        node.output.insert(states, self._new())
        going = self._node(body, "Less", self._node(body, "ReduceSum", total, keepdims=0), LIMIT)
        body.output[0].name = self._node(body, "And", body.output[0].name, going)

    def _claim(self, node: onnx.NodeProto, names: Sequence[str], skip: int = 0) -> int:
        """Places for the ways of a node, the first `skip` of which nothing can take."""
        first = self._used
        self._used += len(names)
        where = self._where(node)
        self.ways += [Way(where, node.op_type, name) for name in names[skip:]]
        self.places += range(first + skip, self._used)
        return first

    def _where(self, node: onnx.NodeProto) -> str:
        """What to call a fork; those of one line are numbered."""
        source = next((p.value for p in node.metadata_props if p.key == SOURCE), "")
        where = source or node.name or next(filter(None, node.output), node.op_type)
        self._seen[where] += 1
        return where if self._seen[where] == 1 else f"{where} #{self._seen[where]}"

    def _total(self, graph: onnx.GraphProto, vectors: Sequence[str], name: str = "") -> str:
        total = vectors[0]
        for other in vectors[1:]:
            total = self._node(graph, "Add", total, other)
        return self._node(graph, "Identity", total, name=name)

    def _node(self, graph: onnx.GraphProto, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or self._new()
        graph.node.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def _one(self, place: int) -> str:
        return self._constant(np.eye(1, self.width, place, dtype=np.int64)[0])

    def _constant(self, array: Array) -> str:
        name = self._new()
        self.root.initializer.append(numpy_helper.from_array(array, name))
        return name

    def _vector(self, name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [self.width])

    def _new(self) -> str:
        self.count += 1
        return f"lampion.watch.{self.count}"


def _kinds(graph: onnx.GraphProto) -> Iterator[str]:
    """ "If" or "Loop" for each of them in a graph and its bodies."""
    for node in graph.node:
        if node.op_type in WAYS:
            yield node.op_type
            for body in BODIES[node.op_type]:
                yield from _kinds(_body(node, body))


def _body(node: onnx.NodeProto, name: str) -> onnx.GraphProto:
    return next(attribute.g for attribute in node.attribute if attribute.name == name)


def _is_true(tensor: onnx.TensorProto) -> bool:
    return bool(numpy_helper.to_array(tensor).all())
