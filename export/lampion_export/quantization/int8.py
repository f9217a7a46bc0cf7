"""int8 through onnxruntime's quantizer: uint8 activations, int8 weights per channel, as every processor runs alike."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper
from onnx_ir.passes import common

from lampion_export.quantization.scheme import Array, Batch, Tick
from lampion_export.quantization.weights import attribute, weight_of

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool",
          "LeakyRelu", "Sigmoid")  # fmt: skip
# These carry on in int8 what reaches them in int8, and are left alone else.
FOLLOWERS = (
    "Relu",
    "Clip",
    "MaxPool",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Slice",
    "Split",
    "Pad",
)
DYNAMIC = ("MatMul", "Gemm", "LSTM", "Attention")


class Static:
    """Activations in ranges that calibration showed; they are computed in int8 from end to end.

    Control flow stays in float: onnxruntime calibrates a graph, not the bodies of its Ifs and Loops.
    """

    def __init__(self, model: onnx.ModelProto, batches: list[Batch], tick: Tick) -> None:
        self.model = model
        self.layers = [node.name for node in model.graph.node if node.op_type in LAYERS]
        self.ranges = _ranges(model, batches, tick)
        self.corrections = _corrections(model, batches)

    def convert(self, left: Collection[str]) -> onnx.ModelProto:
        """The model with all layers in int8 but those in `left`."""
        from onnxruntime.quantization import QuantType  # type: ignore[import-untyped]
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer  # type: ignore[import-untyped]

        model = copy.deepcopy(self.model)
        overrides: dict[str, list[dict[str, Any]]] = {}
        initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.name in left or (weight := weight_of(node, initializers)) is None:
                continue
            overrides[weight.name] = [
                {"quant_type": QuantType.QInt8, "axis": weight.axis, "scale": step, "zero_point": np.int8(0)}
                for step in weight.scales()
            ]
            _correct(model.graph, node, self.corrections.get(node.name))
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=copy.deepcopy(self.ranges),
            nodes_to_quantize=[],
            nodes_to_exclude=[*left, *_captured(model)],
            op_types_to_quantize=[*LAYERS, *FOLLOWERS],
            extra_options={"TensorQuantOverrides": overrides, "MatMulConstBOnly": True},
        )
        with _quiet():
            quantizer.quantize_model()
        return _sorted(quantizer.model.model)


class Dynamic:
    """Matrix products in int8, with ranges found while they run; also inside Ifs and Loops."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.layers = [node.name or "" for node in ir.from_proto(model).graph.all_nodes() if node.op_type in DYNAMIC]

    def convert(self, left: Collection[str]) -> onnx.ModelProto:
        """The model with all layers in int8 but those in `left`."""
        from onnxruntime.quantization import QuantType
        from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer  # type: ignore[import-untyped]
        from onnxruntime.quantization.registry import QuantizationMode  # type: ignore[import-untyped]

        quantizer = ONNXQuantizer(
            copy.deepcopy(self.model),
            per_channel=True,
            reduce_range=True,  # one scale a channel is chosen inside, so pairs can't be looked at
            mode=QuantizationMode.IntegerOps,
            static=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=None,
            nodes_to_quantize=[],
            nodes_to_exclude=[*left, *(f"{name}_MatMul" for name in left)],  # what it makes of a Gemm
            op_types_to_quantize=list(DYNAMIC),
            extra_options={"MatMulConstBOnly": True, "EnableSubgraph": True},
        )
        with _quiet():
            quantizer.quantize_model()
        return _sorted(quantizer.model.model)


def _captured(model: onnx.ModelProto) -> list[str]:
    """Nodes whose outputs an If or Loop looks at: the quantizer fuses activations away without looking into bodies."""
    main = ir.from_proto(model).graph
    inside = {value for body in main.subgraphs() for node in body for value in node.inputs if value is not None}
    return [node.name or "" for node in main if inside & set(node.outputs)]


def _sorted(model: onnx.ModelProto) -> onnx.ModelProto:
    """The quantizer appends its nodes; ONNX wants every node behind those it takes from."""
    converted = ir.from_proto(model)
    common.TopologicalSortPass()(converted)
    common.RemoveUnusedNodesPass()(converted)
    return ir.to_proto(converted)


# ---- calibration ----------------------------------------------------------------------------------------------------


def _ranges(model: onnx.ModelProto, batches: list[Batch], tick: Tick) -> Any:
    """The smallest and the largest number of every activation."""
    from onnxruntime.quantization.calibrate import CalibrationDataReader, create_calibrator  # type: ignore[import-untyped]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(batches)

        def get_next(self) -> Batch | None:
            tick()
            return next(self.left, None)

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        calibrator = create_calibrator(path, [*LAYERS, *FOLLOWERS], str(Path(folder) / "augmented.onnx"))
        calibrator.collect_data(Reader())
        return calibrator.compute_data()


def _corrections(model: onnx.ModelProto, batches: list[Batch]) -> dict[str, Array]:
    """By layer, what rounding its weights adds to the mean of each output channel (Nagel et al., arXiv 1906.04721)."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = {
        node.name: (node, weight)
        for node in model.graph.node
        if (weight := weight_of(node, initializers)) and _has_plain_bias(node, initializers)
    }
    means = _channel_means(model, [node for node, _ in layers.values()], batches)
    return {
        name: weight.drift(means[node.input[0]], attribute(node, "group", 1)) for name, (node, weight) in layers.items()
    }


def _has_plain_bias(node: onnx.NodeProto, initializers: dict[str, onnx.TensorProto]) -> bool:
    factors = all(a.f == 1 for a in node.attribute if a.name in ("alpha", "beta"))
    vector = len(node.input) > 2 and node.input[2] in initializers and len(initializers[node.input[2]].dims) == 1
    return factors and vector and not attribute(node, "transA", 0)


def _channel_means(model: onnx.ModelProto, nodes: list[onnx.NodeProto], batches: list[Batch]) -> dict[str, Array]:
    """The mean by channel of every node's first input, over the batches; the graph itself takes them, to save memory."""
    import onnxruntime as ort  # type: ignore[import-untyped]

    probed = copy.deepcopy(model)
    outputs: dict[str, str] = {}
    for index, node in enumerate(nodes):
        source = outputs[node.input[0]] = f"lampion_mean_{index}" if node.op_type == "Conv" else node.input[0]
        if node.op_type == "Conv":
            probed.graph.node.append(onnx.helper.make_node("GlobalAveragePool", [node.input[0]], [source]))
    known = {value.name for value in probed.graph.output}
    probed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {*outputs.values()} - known)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(probed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    sums = dict.fromkeys(outputs, 0.0)
    for batch in batches:
        for name, array in zip(outputs, session.run(list(outputs.values()), batch), strict=True):
            sums[name] = sums[name] + array.reshape(*array.shape[:2]).mean(0, dtype=np.float64)
    return {name: np.asarray(total / len(batches)) for name, total in sums.items()}


def _correct(graph: onnx.GraphProto, node: onnx.NodeProto, drift: Array | None) -> None:
    """Takes the drift out of the layer's bias."""
    if drift is None:
        return
    bias = next(tensor for tensor in graph.initializer if tensor.name == node.input[2])
    values = (numpy_helper.to_array(bias) - drift).astype(np.float32)
    node.input[2] = f"{node.name}_bias"  # a name of its own: another layer may use the same bias
    graph.initializer.append(numpy_helper.from_array(values, node.input[2]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the quantizer says to people who call it by hand."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
