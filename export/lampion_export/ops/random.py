"""Converters of random numbers: onnxruntime draws its own, of the same distribution, anew in every run."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.ops.random import Integers, Normal, Poisson, Uniform
from lampion_export.convert import check_opset, converts, refuses
from lampion_export.graph import Graph

LAST_OPSET = 21  # for later ones onnxruntime 1.32 has no kernels

refuses("ONNX has no operator that draws from the Poisson distribution; draw outside and pass the numbers in", Poisson)


@converts(Uniform)
def uniform(g: Graph, op: Uniform) -> ir.Value:
    return _drawn(g, op, "RandomUniformLike")


@converts(Normal)
def normal(g: Graph, op: Normal) -> ir.Value:
    return _drawn(g, op, "RandomNormalLike")


@converts(Integers)
def integers(g: Graph, op: Integers) -> ir.Value:
    """Uniform numbers rounded down; in float64, which holds every integer below 2^53."""
    check_opset(g, op, 17, LAST_OPSET)
    numbers = _like(g, op, "RandomUniformLike", np.float64, low=float(op.low), high=float(op.high))
    whole = g.op("Floor", numbers, dtype=np.float64)
    return g.cast(g.op("Min", whole, g.constant(np.array(op.high - 1, np.float64)), dtype=np.float64), op.kind.numpy)


def _drawn(g: Graph, op: Uniform, name: str) -> ir.Value:
    check_opset(g, op, 17, LAST_OPSET)
    source = np.float32 if op.kind.itemsize <= 4 else np.float64
    return g.cast(_like(g, op, name, source), op.kind.numpy)


def _like(g: Graph, op: Uniform, name: str, kind: Any, **settings: Any) -> ir.Value:
    zeros = g.op("Expand", g.constant(np.array(0, kind)), g.shape(op.shape), dtype=kind)
    return g.op(name, zeros, **settings, dtype=kind)
