"""Attention as ONNX's one operator (opset 23) beside its plain ops, in onnxruntime on one thread.

python benchmarks/export_attention.py
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

SHAPES = [(1, 4, 16, 16), (1, 8, 64, 64), (4, 8, 128, 32), (1, 8, 256, 64), (1, 12, 512, 64)]


def session(shape: tuple[int, ...], causal: bool, fused: bool) -> ort.InferenceSession:
    """q, k, v of [batch, heads, length, size] to y."""
    length, size = shape[-2:]
    constants = [numpy_helper.from_array(np.array(size**-0.5, np.float32), "scale")]
    constants += [numpy_helper.from_array(np.where(np.tri(length), 0, -np.inf).astype(np.float32), "mask")]
    plain = [
        helper.make_node("Mul", ["q", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["k"], ["turned"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["scaled", "turned"], ["scores"]),
        *([helper.make_node("Add", ["scores", "mask"], ["masked"])] if causal else []),
        helper.make_node("Softmax", ["masked" if causal else "scores"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "v"], ["y"]),
    ]
    nodes = [helper.make_node("Attention", ["q", "k", "v"], ["y"], is_causal=int(causal))] if fused else plain
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "qkvy"]
    graph = helper.make_graph(nodes, "attention", values[:3], values[3:], [] if fused else constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def main() -> None:
    draw = np.random.default_rng(0)
    for shape in SHAPES:
        inputs = {name: draw.standard_normal(shape, np.float32) for name in "qkv"}
        for causal in (False, True):
            both = {name: session(shape, causal, name == "Attention") for name in ("Attention", "plain ops")}
            times: dict[str, list[float]] = {name: [] for name in both}
            for _ in range(30):
                for name, one in both.items():
                    start = time.perf_counter()
                    one.run(None, inputs)
                    times[name].append((time.perf_counter() - start) * 1e3)
            shown = ", ".join(f"{name} {min(t):.3f} ({statistics.median(t):.3f}) ms" for name, t in times.items())
            print(f"{list(shape)} {'causal' if causal else '      '} {shown}")


if __name__ == "__main__":
    main()
