"""Whether a converted graph gives the same bits on every processor."""

from __future__ import annotations

import onnx

# Each number is moved, or computed by one operation of IEEE 754, whose rounding is the same everywhere.
_ROUNDED_ONCE = {
    *("Cast", "Identity", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Concat", "Pad"),
    *(
        "Gather",
        "Expand",
        "Shape",
        "Constant",
        "ConstantOfShape",
        "MaxPool",
        "Relu",
        "Clip",
        "Add",
        "Sub",
        "Mul",
        "Div",
    ),
    *("QuantizeLinear", "DequantizeLinear"),
}
# Sums of many terms, whose order is each processor's own. Between integers onnxruntime computes them with integers.
_SUMS = {"Conv", "Gemm", "MatMul", "GlobalAveragePool"}


def is_exact(model: onnx.ModelProto) -> bool:
    """Whether every sum goes from DequantizeLinear to QuantizeLinear, and nothing else needs more than one rounding.

    Checked with onnxruntime 1.32 on x86 (SSE, AVX2, AVX-512 with VNNI) and on Cortex-A53, A72 and A76, with its 1.21 on
    Cortex-A7. Exponentials (Softmax, Sigmoid) and averages of windows are not exact.
    """
    made_by = {output: node.op_type for node in model.graph.node for output in node.output}
    integers = {node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    used = [name for node in model.graph.node if node.op_type != "QuantizeLinear" for name in node.input]
    outside = {*used, *(value.name for value in model.graph.output)}

    def between_integers(node: onnx.NodeProto) -> bool:
        given = all(made_by.get(name) == "DequantizeLinear" for name in node.input if name)
        return given and set(node.output) <= integers - outside

    return all(
        not node.domain and (node.op_type in _ROUNDED_ONCE or (node.op_type in _SUMS and between_integers(node)))
        for node in model.graph.node
    )
