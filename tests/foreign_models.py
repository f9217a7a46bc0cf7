"""Small ONNX files as other tools write them: old opsets, other layouts, weights among the inputs, branches, maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
RNG = np.random.default_rng(0)
KERNEL, WEIGHT = (RNG.standard_normal(shape).astype(np.float32) for shape in ((8, 3, 3, 3), (8, 4)))


def value(name: str, shape: list[int | str | None], kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(path: Path, graph: onnx.GraphProto, opset: int = 21, ir_version: int = 10) -> Path:
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 2)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="somebody"), path)
    return path


def classifier(
    path: Path, layout: str = "nchw", batch: int | str | None = "n", opset: int = 11, ir_version: int = 4
) -> Path:
    """Probabilities of four classes for float32 images of 32 x 32."""
    weights = {"k": KERNEL, "w": WEIGHT}
    turned = [helper.make_node("Transpose", ["pixels"], ["x"], perm=[0, 3, 1, 2])]
    nodes = [
        *(turned if layout == "nhwc" else [helper.make_node("Identity", ["pixels"], ["x"])]),
        helper.make_node("Conv", ["x", "k"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=1),
    ]
    inputs = [value("pixels", [batch, 3, 32, 32] if layout == "nchw" else [batch, 32, 32, 3])]
    if ir_version < 4:
        inputs += [value(name, list(array.shape)) for name, array in weights.items()]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    return save(path, helper.make_graph(nodes, "g", inputs, [value("p", [batch, 4])], tensors), opset, ir_version)


def branching(path: Path, scale: float = 2.0) -> Path:
    """x doubled where it adds up to more than nothing, and turned elsewhere; a scalar switches it off."""
    body = {
        "then_branch": helper.make_node("Mul", ["x", "two"], ["b"]),
        "else_branch": helper.make_node("Neg", ["x"], ["b"]),
    }
    branches = {name: helper.make_graph([node], name, [], [value("b", [None, None])]) for name, node in body.items()}
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("And", ["positive", "on"], ["go"]),
        helper.make_node("If", ["go"], ["y"], **branches),
    ]
    inputs = [value("x", ["rows", "time"]), value("on", [], TensorProto.BOOL)]
    tensors = [
        numpy_helper.from_array(np.float32(n).reshape(()), name) for name, n in {"two": scale, "zero": 0.0}.items()
    ]
    return save(path, helper.make_graph(nodes, "g", inputs, [value("y", [None, None])], tensors))


def with_a_map(path: Path) -> Path:
    """Probabilities as a list of maps, which is what scikit-learn's converter gives by default."""
    node = helper.make_node("ZipMap", ["x"], ["z"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, []))
    )
    return save(path, helper.make_graph([node], "g", [value("x", ["n", 2])], [helper.make_value_info("z", kind)]))
