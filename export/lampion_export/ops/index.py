"""Converters of indexing, gathering and scattering."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from lampion.ops import index as i
from lampion.symbolic import Shape, Size, broadcast_shapes, numel, same
from lampion_export.convert import converts
from lampion_export.graph import Graph, pairs


@converts(i.Nonzero)
def nonzero(g: Graph, op: i.Nonzero, x: ir.Value) -> ir.Value:
    return g.op("Transpose", g.op("NonZero", x, dtype=np.int64), perm=[1, 0])


@converts(i.Slice)
def slice_(g: Graph, op: i.Slice, x: ir.Value) -> ir.Value:
    cut = [
        d
        for d, (r, n) in enumerate(zip(op.ranges, g.shape_of(x), strict=True))
        if not (same(r[0], 0) and same(r[1], n) and r[2] == 1)
    ]
    if not cut:
        return x
    starts, stops, steps = zip(*[op.ranges[d] for d in cut], strict=True)
    axes = g.constant(np.array(cut, np.int64))
    return g.op("Slice", x, g.shape(starts), g.shape(stops), axes, g.constant(np.array(steps, np.int64)))


@converts(i.Unslice)
def unslice(g: Graph, op: i.Unslice, x: ir.Value) -> ir.Value:
    """Zeros between the elements by padding a new last dim, then zeros around."""
    counts = [(stop - start + step - 1) // step for start, stop, step in op.ranges]
    for dim, (_, _, step) in enumerate(op.ranges):
        if step != 1:
            x = _spread(g, x, counts, dim, step)
            counts[dim] = counts[dim] * step
    around = []
    for (start, _, _), n, size in zip(op.ranges, counts, op.shape, strict=True):
        around.append((start, size - start - n))
    return g.op("Pad", x, g.shape(pairs(around)), dtype=x.dtype)


def _spread(g: Graph, x: ir.Value, shape: list[Size], dim: int, step: int) -> ir.Value:
    before, after = tuple(shape[: dim + 1]), tuple(shape[dim + 1 :])
    x = g.reshape(x, (*before, 1, *after))
    ends = [(0, step - 1 if j == dim + 1 else 0) for j in range(len(shape) + 1)]
    x = g.op("Pad", x, g.shape(pairs(ends)), dtype=x.dtype)
    return g.reshape(x, (*before[:-1], shape[dim] * step, *after))


@converts(i.Index)
def index(g: Graph, op: i.Index, x: ir.Value, *indices: ir.Value) -> ir.Value:
    """Several indices become one into their dims, flattened."""
    shape, last = g.shape_of(x), op.dim + len(indices)
    merged = (*shape[: op.dim], numel(shape[op.dim : last]), *shape[last:])
    x = x if len(indices) == 1 else g.reshape(x, merged)
    return g.op("Gather", x, _flat(g, indices, shape[op.dim : last]), axis=op.dim)


@converts(i.IndexAdd)
def index_add(g: Graph, op: i.IndexAdd, x: ir.Value, *indices: ir.Value) -> ir.Value:
    """By ScatterElements, though ScatterND adds whole rows: with two threads onnxruntime's loses what it adds to one twice."""
    middle = broadcast_shapes(*map(g.shape_of, indices))
    last = op.dim + len(indices)
    before, after = tuple(op.shape[: op.dim]), tuple(op.shape[last:])
    x = g.reshape(x, (*before, numel(middle), *after))
    places = g.reshape(_flat(g, indices, op.shape[op.dim : last]), (numel(middle), *(1 for _ in after)))
    places = g.op("Expand", places, g.shape((*before, numel(middle), *after)), dtype=np.int64)
    assert x.dtype is not None
    zero = g.constant(np.array(0, x.dtype.numpy()))
    zeros = g.op("Expand", zero, g.shape((*before, numel(op.shape[op.dim : last]), *after)), dtype=x.dtype)
    total = g.op("ScatterElements", zeros, places, x, axis=op.dim, reduction="add", dtype=x.dtype)
    return g.reshape(total, tuple(op.shape))


def _flat(g: Graph, indices: tuple[ir.Value, ...], sizes: Shape) -> ir.Value:
    """One index into dims of these sizes, flattened; a single one as it is, negative places and all."""
    if len(indices) == 1:
        return indices[0]
    flat, *others = [_from_front(g, one, size) for one, size in zip(indices, sizes, strict=True)]
    for place, size in zip(others, sizes[1:], strict=True):
        flat = g.op("Add", g.op("Mul", flat, g.size(size), dtype=np.int64), place, dtype=np.int64)
    return flat


def _from_front(g: Graph, places: ir.Value, size: Size) -> ir.Value:
    """Negative places counted from the front."""
    negative = g.op("Less", places, g.constant(np.array(0, np.int64)))
    return g.op("Where", negative, g.op("Add", places, g.size(size), dtype=np.int64), places, dtype=np.int64)


@converts(i.Gather)
def gather(g: Graph, op: i.Gather, x: ir.Value, places: ir.Value) -> ir.Value:
    kept = tuple(
        n if d == op.dim else m for d, (n, m) in enumerate(zip(g.shape_of(x), g.shape_of(places), strict=True))
    )
    return g.op("GatherElements", cropped(g, x, kept), places, axis=op.dim)


@converts(i.ScatterAdd)
def scatter_add(g: Graph, op: i.ScatterAdd, x: ir.Value, places: ir.Value, source: ir.Value) -> ir.Value:
    source = cropped(g, source, g.shape_of(places))
    return g.op("ScatterElements", x, places, source, axis=op.dim, reduction="add")


@converts(i.Scatter)
def scatter(g: Graph, op: i.Scatter, x: ir.Value, places: ir.Value, source: ir.Value) -> ir.Value:
    return g.op("ScatterElements", x, places, cropped(g, source, g.shape_of(places)), axis=op.dim)


def cropped(g: Graph, x: ir.Value, shape: Shape) -> ir.Value:
    """The first elements along each dim."""
    if all(map(same, g.shape_of(x), shape)):
        return x
    return g.op("Slice", x, g.constant(np.zeros(len(shape), np.int64)), g.shape(shape), dtype=x.dtype)


@converts(i.Put)
def put(g: Graph, op: i.Put, x: ir.Value, places: ir.Value, values: ir.Value) -> ir.Value:
    flat = g.op("Reshape", x, g.constant(np.array([-1], np.int64)), dtype=x.dtype)
    flat = g.op("ScatterElements", flat, places, values, axis=0, dtype=x.dtype)
    return g.reshape(flat, g.shape_of(x))
