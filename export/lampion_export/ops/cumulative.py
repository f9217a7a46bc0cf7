"""Converters of what accumulates along a dim: each is a Scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.ops import cumulative as c
from lampion.symbolic import Shape
from lampion_export.convert import converts
from lampion_export.graph import Graph, is_float
from lampion_export.kernels import widened

Step = Callable[["Body", list[ir.Value], list[ir.Value]], list[ir.Value]]


class Body:
    """The graph of one step. Its names carry that of the Scan, so that they shadow none outside."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[ir.Node] = []
        self.count = 0

    def value(self, dtype: ir.DataType) -> ir.Value:
        self.count += 1
        return ir.val(f"{self.name}_{self.count}", dtype)

    def op(self, op_type: str, *inputs: ir.Value, dtype: ir.DataType | None = None) -> ir.Value:
        """A node; of the first input's dtype unless given."""
        node = ir.node(op_type, inputs)
        self.nodes.append(node)
        self.count += 1
        result = node.outputs[0]
        result.name = f"{self.name}_{self.count}"
        kind = dtype or inputs[0].dtype
        assert kind is not None
        result.dtype = kind
        return result


def scan(g: Graph, dim: int, states: Sequence[ir.Value], xs: Sequence[tuple[ir.Value, int]], step: Step) -> Any:
    """Runs `step` over slices of `xs` (each with its dim); the last of the states that it gives is stacked along `dim`."""
    body = Body(f"scan_{len(g.graph)}")
    inside = [body.value(s.dtype) for s in states]  # type: ignore[arg-type]
    slices = [body.value(x.dtype) for x, _ in xs]  # type: ignore[arg-type]
    results = step(body, inside, slices)
    # a maximum of one, because onnxruntime wants two outputs of its own, and an Identity does not outlive the passes
    outputs = [*results, body.op("Max", results[-1])]
    graph = ir.Graph([*inside, *slices], outputs, nodes=body.nodes, opset_imports={"": g.opset}, name=body.name)
    *_, stacked = g.op(
        "Scan", *states, *[x for x, _ in xs], outputs=len(states) + 1, body=graph, num_scan_inputs=len(xs),
        scan_input_axes=[axis for _, axis in xs], scan_output_axes=[dim],
    )  # fmt: skip
    stacked.dtype = results[-1].dtype
    return stacked


def filled(g: Graph, number: Any, x: ir.Value, shape: Shape, dim: int) -> ir.Value:
    """One number in the dtype of x and the shape of a slice across `dim`."""
    assert x.dtype is not None
    constant = g.constant(np.array(number, x.dtype.numpy()))
    return g.op("Expand", constant, g.shape(shape[:dim] + shape[dim + 1 :]), dtype=x.dtype)


@converts(c.Recurrence)
def recurrence(g: Graph, op: c.Recurrence, a: ir.Value, b: ir.Value) -> ir.Value:
    shape, own = g.shape_of(b), b.dtype
    assert own is not None
    a, b = (g.cast(x, widened("Mul", own)) for x in (a, b))
    out = scan(
        g, op.dim, [filled(g, 0, b, shape, op.dim)], [(a, op.dim), (b, op.dim)],
        lambda body, y, ab: [body.op("Add", body.op("Mul", ab[0], y[0]), ab[1])],
    )  # fmt: skip
    return g.cast(out, own)


@converts(c.CumProd)
def cumprod(g: Graph, op: c.CumProd, x: ir.Value) -> ir.Value:
    shape, own = g.shape_of(x), x.dtype
    assert own is not None
    x = g.cast(x, widened("Mul", own))
    first = filled(g, 1, x, shape, op.dim)
    return g.cast(scan(g, op.dim, [first], [(x, op.dim)], lambda body, y, xs: [body.op("Mul", xs[0], y[0])]), own)


@converts(c.LogCumSumExp)
def logcumsumexp(g: Graph, op: c.LogCumSumExp, x: ir.Value) -> ir.Value:
    shape, own = g.shape_of(x), x.dtype
    assert own is not None
    x = g.cast(x, widened("Exp", own))
    lowest, zero = (g.constant(np.array(n, x.dtype.numpy())) for n in (-np.inf, 0))  # type: ignore[union-attr]

    def step(body: Body, y: list[ir.Value], xs: list[ir.Value]) -> list[ir.Value]:
        top = body.op("Max", y[0], xs[0])
        top = body.op("Where", body.op("Equal", top, lowest, dtype=ir.DataType.BOOL), zero, top, dtype=top.dtype)
        parts = [body.op("Exp", body.op("Sub", part, top)) for part in (y[0], xs[0])]
        return [body.op("Add", body.op("Log", body.op("Add", *parts)), top)]

    return g.cast(scan(g, op.dim, [filled(g, -np.inf, x, shape, op.dim)], [(x, op.dim)], step), own)


@converts(c.CumArgMax)
def cumargmax(g: Graph, op: c.CumArgMax, x: ir.Value) -> ir.Value:
    shape = g.shape_of(x)
    assert x.dtype is not None
    x = g.cast(x, widened("Where", x.dtype))
    kind = x.dtype.numpy()  # type: ignore[union-attr]
    lowest = -np.inf if is_float(x) else np.iinfo(kind).min
    zero, one = (g.constant(np.array(n, np.int64)) for n in (0, 1))
    count = g.op("Range", zero, g.scalar(shape[op.dim]), one, dtype=np.int64)
    states = [filled(g, lowest, x, shape, op.dim), filled(g, 0, zero, shape, op.dim)]

    def step(body: Body, best: list[ir.Value], xs: list[ir.Value]) -> list[ir.Value]:
        hit = body.op("GreaterOrEqual", xs[0], best[0], dtype=ir.DataType.BOOL)
        if is_float(x):
            hit = body.op("Or", hit, body.op("IsNaN", xs[0], dtype=ir.DataType.BOOL))
        return [
            body.op("Where", hit, xs[0], best[0], dtype=x.dtype),
            body.op("Where", hit, xs[1], best[1], dtype=ir.DataType.INT64),
        ]

    return scan(g, op.dim, states, [(x, op.dim), (count, 0)], step)
