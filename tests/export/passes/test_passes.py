"""Each pass: what it rewrites, what it leaves, and that the numbers stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion.control import cond
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized
from lampion_export.verification import verify

rng = np.random.default_rng(0)
X = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)


def parameter(*shape: int) -> lampion.Tensor:
    return lampion.from_numpy(rng.standard_normal(shape).astype(np.float32))


W, V, B, S = parameter(4, 3, 3, 3), parameter(4, 4, 1, 1), parameter(4), parameter(4, 1, 1)
ROW = parameter(6)
conv = lampion.nn.functional.conv2d
pad = lampion.nn.functional.pad

CASES: list[tuple[str, Any, list[str]]] = [
    ("bias", lambda x: conv(x, W, B), ["Conv"]),
    ("scale and shift", lambda x: conv(x, W) * S + B.reshape(1, 4, 1, 1), ["Conv"]),
    ("the constant on the left", lambda x: S * conv(x, W), ["Conv"]),
    ("one number", lambda x: conv(x, W) * 2.0 + 1.0, ["Conv"]),
    ("two convolutions", lambda x: conv(conv(x, W, B) * S, V) + S, ["Conv", "Conv"]),
    ("a constant per column stays", lambda x: conv(x, W) * ROW, ["Conv", "Mul"]),
    ("what is used twice stays", lambda x: (lambda y: y * S + y)(conv(x, W)), ["Conv", "Mul", "Add"]),
    ("what is not constant stays", lambda x: conv(x, W) * x.amax(), ["Conv", "ReduceMax", "Mul"]),
    ("zeros around", lambda x: conv(pad(x, (0, 1, 2, 3)), W, padding=1), ["Conv"]),
    ("ones around stay", lambda x: conv(pad(x, (1, 1, 1, 1), value=1.0), W), ["Pad", "Conv"]),
    ("channels added stay", lambda x: conv(pad(x[:, :2], (0, 0, 0, 0, 0, 1)), W), ["Slice", "Pad", "Conv"]),
    (
        "a body's output keeps the node that brings it in",
        lambda x: (lambda y: cond(y.amin() > 0, lambda: y, lambda: -y))(x + 1),
        ["Add", "ReduceMin", "Greater", "Reshape", "If"],
    ),
    ("what is given twice has two names", lambda x: (lambda y: (y, y))(x + 1), ["Add", "Identity"]),
    ("what nobody uses goes", lambda x: (x.exp(), x + 1)[1], ["Add"]),
    (
        "a product turned over",
        lambda x: (lambda rows: (rows.T @ rows.exp()).T)(x.reshape(-1, 192)),
        ["Reshape", "Exp", "Transpose", "MatMul"],
    ),
    (
        "a product turned over that others want stays",
        lambda x: (lambda y: (y.T, y))(x.reshape(-1, 192).T @ x.reshape(-1, 192)),
        ["Reshape", "Transpose", "MatMul", "Transpose"],
    ),
    ("what is computed twice is computed once", lambda x: x.exp() * x.exp(), ["Exp", "Mul"]),
]


@pytest.mark.parametrize(("what", "function", "ops"), CASES, ids=[what for what, _, _ in CASES])
def test_a_pass_rewrites_the_graph_and_keeps_the_numbers(what: str, function: Any, ops: list[str]) -> None:
    example, dynamic = {"x": X}, {"x": {0: "batch"}}
    model = build(function, example, dynamic)
    got = [node.op_type for node in model.graph]
    assert got == ops
    report = verify(function, Session(serialized(model, complete_card(None, "m", model.graph))), example, dynamic)
    assert report.ok, report
