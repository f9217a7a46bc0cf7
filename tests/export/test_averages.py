from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lampion_export.quantization.averages import pool_means

X = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
AXES, NUMBER = [2, 3], np.float32(20)


def mean(axes: Any = AXES, **attributes: int) -> onnx.ModelProto:
    return model([helper.make_node("ReduceMean", ["x", "axes"], ["y"], **attributes)], {"axes": np.array(axes)})


def quotient(
    axes: Any = AXES, number: Any = NUMBER, outputs: tuple[str, ...] = ("y",), turned: bool = False
) -> onnx.ModelProto:
    terms = ["number", "sum"] if turned else ["sum", "number"]
    nodes = [helper.make_node("ReduceSum", ["x", "axes"], ["sum"]), helper.make_node("Div", terms, ["y"])]
    return model(nodes, {"axes": np.array(axes), "number": np.asarray(number, np.float32)}, outputs)


def model(nodes: list[onnx.NodeProto], constants: dict[str, Any], outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return onnx.shape_inference.infer_shapes(made)


@pytest.mark.parametrize(
    ("before", "operators"),
    [
        (mean(), ["GlobalAveragePool"]),
        (mean([-1, -2], keepdims=0), ["GlobalAveragePool", "Squeeze"]),
        (quotient(), ["GlobalAveragePool"]),
        (quotient([3, 2], [20]), ["GlobalAveragePool"]),
        (mean([1, 2]), ["ReduceMean"]),
        (mean([3]), ["ReduceMean"]),
        (quotient(number=19), ["ReduceSum", "Div"]),
        (quotient(number=[[[[20, 20, 20]]]]), ["ReduceSum", "Div"]),
        (quotient(turned=True), ["ReduceSum", "Div"]),
        (quotient(outputs=("y", "sum")), ["ReduceSum", "Div"]),
    ],
)
def test_means_are_pooled(before: onnx.ModelProto, operators: list[str]) -> None:
    rewritten = ir.from_proto(before)
    pool_means(rewritten)
    after = ir.to_proto(rewritten)
    onnx.checker.check_model(after, full_check=True)
    assert [node.op_type for node in after.graph.node] == operators
    want, got = (ReferenceEvaluator(each).run(None, {"x": X}) for each in (before, after))
    for expected, given in zip(want, got, strict=True):
        np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
