"""The tape to ONNX: the registry of converters, and the walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.symbolic import Spec
from lampion.tape import Node, Primitive, Trace, Value, recording, wrap
from lampion_export.errors import UnsupportedError
from lampion_export.graph import Graph, known
from lampion_export.trace import Traced

Converter = Callable[..., Any]

_converters: dict[type[Primitive], Converter] = {}
_refusals: dict[type[Primitive], str] = {}


def converts(*ops: type[Primitive]) -> Callable[[Converter], Converter]:
    """Registers a function (graph, op, *inputs) -> output or outputs for these primitives."""

    def register(converter: Converter) -> Converter:
        _converters.update(dict.fromkeys(ops, converter))
        return converter

    return register


def refuses(why: str, *ops: type[Primitive]) -> None:
    """Registers primitives that have no place in a file, and why."""
    _refusals.update(dict.fromkeys(ops, why))


def is_known(op: type[Primitive]) -> bool:
    """Whether the primitive converts, or is refused for a stated reason."""
    return op in _converters or op in _refusals


def refusals() -> dict[type[Primitive], str]:
    """Why each primitive that has no place in a file is refused."""
    return dict(_refusals)


def convert(traced: Traced, opset: int, names: Mapping[int, str]) -> Graph:
    """The graph of what was traced; `names` of arrays by id become names of initializers.

    Raises UnsupportedError for a primitive without converter, naming it.
    """
    graph = Graph(opset, names)
    for name, value in traced.inputs.items():
        graph.input(name, value)
    convert_nodes(graph, traced.nodes)
    for name, value in traced.outputs.items():
        graph.output(name, value)
    return graph


def convert_nodes(graph: Graph, nodes: Sequence[Node]) -> None:
    """Adds what every node of a trace becomes."""
    for node in nodes:
        assert node.inputs is not None
        outputs = _converter(node.op)(graph, node.op, *[graph.value(v) for v in node.inputs])
        many = outputs if isinstance(outputs, tuple | list) else (outputs,)
        for i, (spec, output) in enumerate(zip(node.data, many, strict=True)):
            graph.bind((node, i), spec, output)


def in_plain_ops(g: Graph, plain: Callable[..., Any], *inputs: ir.Value) -> tuple[ir.Value, ...]:
    """What an op becomes that is also written in plain ones."""
    values = []
    for x in inputs:
        assert x.dtype is not None
        numbers = known(x)
        spec = Spec(g.shape_of(x), x.dtype.numpy())
        values.append(Value(spec if numbers is None else np.asarray(numbers)))
        g.bind(values[-1].key, spec, x)
    with recording(Trace()) as trace:
        result = plain(*map(wrap, values))
    convert_nodes(g, trace.nodes)
    return tuple(g.value(t._value) for t in (result if isinstance(result, tuple) else (result,)))


def check_opset(g: Graph, op: Primitive, first: int, last: int | None = None) -> None:
    """Raises UnsupportedError outside the opsets in which an op can be written."""
    if g.opset < first or (last is not None and g.opset > last):
        known = f"up to opset {last}" if last is not None and g.opset > last else f"from opset {first}"
        raise UnsupportedError(
            f"{type(op).__name__.lower()} can't be exported at opset {g.opset}: onnxruntime has its operator {known}",
            hint=f"export with opset={first if g.opset < first else last}",
        )


def _converter(op: Primitive) -> Converter:
    kind = type(op)
    if kind in _refusals:
        raise UnsupportedError(f"{kind.__name__.lower()} can't be exported: {_refusals[kind]}")
    if kind not in _converters:
        raise UnsupportedError(
            f"{kind.__name__.lower()} has no converter to ONNX; register one with lampion_export.converts"
        )
    return _converters[kind]
