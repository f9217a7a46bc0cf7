"""Writes a convolutional network that lies in an ONNX file as a LiteRT file (.tflite), weight for weight.

    python litert_file.py model.onnx model.tflite

It knows what EfficientNet-Lite0 is made of: convolutions, ReLU6, additions, a mean over pixels, a linear layer. Needs onnx and
ai-edge-litert, whose generated schema does the writing.
"""

from __future__ import annotations

import sys
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

Array = np.ndarray[Any, Any]
OPERATORS = schema.BuiltinOperator
SAME, RELU6 = schema.Padding.SAME, schema.ActivationFunctionType.RELU6


class Writer:
    """A graph under construction. LiteRT keeps channels last; `shapes` are so too, by the ONNX name."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.users = {name: node for node in graph.node for name in node.input}
        self.buffers, self.tensors, self.operators = [schema.BufferT()], [], []
        self.places: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.codes: list[int] = []
        self.done: set[str] = set()

    def tensor(self, name: str, shape: tuple[int, ...], data: Array | None = None) -> int:
        """A tensor by name; one with data has a buffer of its own."""
        made = schema.TensorT()
        made.name, made.shape = name.encode(), list(shape)
        made.type = (
            schema.TensorType.INT32 if data is not None and data.dtype == np.int32 else schema.TensorType.FLOAT32
        )
        made.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            made.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(made)
        self.places[name], self.shapes[name] = len(self.tensors) - 1, shape
        return self.places[name]

    def operator(self, code: int, kind: str, inputs: list[int], output: int, **options: Any) -> None:
        """An operator with its options, whose type is `kind`."""
        if code not in self.codes:
            self.codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self.codes.index(code), inputs, [output]
        made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        made.builtinOptions = getattr(schema, f"{kind}T")()
        for name, value in options.items():
            setattr(made.builtinOptions, name, value)
        self.operators.append(made)

    # --- operators ---

    def conv(self, node: onnx.NodeProto) -> None:
        """A convolution, with the Clip(0, 6) behind it."""
        attributes = {a.name: a.i if a.type == onnx.AttributeProto.INT else list(a.ints) for a in node.attribute}
        kernel, bias = self.weights[node.input[1]], self.weights[node.input[2]]
        stride, depthwise = attributes["strides"][0], attributes["group"] > 1
        _, height, width, _ = self.shapes[node.input[0]]
        _check_padding(attributes["pads"], (height, width), kernel.shape[2:], stride)
        last = self.users.get(node.output[0])
        clipped = last is not None and last.op_type == "Clip"
        if clipped:
            self.done.add(last.output[0])
        moved = kernel.transpose(1, 2, 3, 0) if depthwise else kernel.transpose(0, 2, 3, 1)
        name = last.output[0] if clipped else node.output[0]
        output = self.tensor(name, (1, -(-height // stride), -(-width // stride), len(kernel)))
        inputs = [
            self.places[node.input[0]],
            self.tensor(f"{name}.weight", moved.shape, moved),
            self.tensor(f"{name}.bias", bias.shape, bias),
        ]
        options: dict[str, Any] = {"padding": SAME, "strideH": stride, "strideW": stride}
        options |= {"fusedActivationFunction": RELU6 if clipped else 0}
        if depthwise:
            self.operator(
                OPERATORS.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions", inputs, output, depthMultiplier=1, **options
            )
        else:
            self.operator(OPERATORS.CONV_2D, "Conv2DOptions", inputs, output, **options)

    def add(self, node: onnx.NodeProto) -> None:
        """A sum of two of the same shape."""
        output = self.tensor(node.output[0], self.shapes[node.input[0]])
        self.operator(OPERATORS.ADD, "AddOptions", [self.places[name] for name in node.input], output)

    def mean(self, node: onnx.NodeProto) -> None:
        """The sum over pixels and the division behind it."""
        name = self.users[node.output[0]].output[0]
        self.done.add(name)
        axes = self.tensor(f"{name}.axes", (2,), np.array([1, 2], np.int32))
        channels = self.shapes[node.input[0]][3]
        output = self.tensor(name, (1, channels))
        self.operator(OPERATORS.MEAN, "ReducerOptions", [self.places[node.input[0]], axes], output, keepDims=False)

    def linear(self, node: onnx.NodeProto) -> None:
        """The product and the addition of the bias behind it."""
        last = self.users[node.output[0]]
        name = last.output[0]
        self.done.add(name)
        weight = self.weights[node.input[1]].T
        bias = next(self.weights[each] for each in last.input if each in self.weights)
        inputs = [
            self.places[node.input[0]],
            self.tensor(f"{name}.weight", weight.shape, weight),
            self.tensor(f"{name}.bias", bias.shape, bias),
        ]
        output = self.tensor(name, (1, len(weight)))
        self.operator(OPERATORS.FULLY_CONNECTED, "FullyConnectedOptions", inputs, output)

    def write(self) -> bytes:
        """The file."""
        source, target = self.graph.input[0], self.graph.output[0].name
        n, c, h, w = (size.dim_value for size in source.type.tensor_type.shape.dim)
        first = self.tensor(source.name, (n, h, w, c))
        writers = {"Conv": self.conv, "Add": self.add, "ReduceSum": self.mean, "MatMul": self.linear}
        for node in self.graph.node:
            if node.output[0] not in self.done:
                writers[node.op_type](node)
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [first], [self.places[target]]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = [_code(code) for code in self.codes]
        builder = flatbuffers.Builder(1 << 25)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _code(code: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode, made.deprecatedBuiltinCode, made.version = code, code, 1
    return made


def _check_padding(pads: list[int], sizes: tuple[int, int], kernel: tuple[int, int], stride: int) -> None:
    for axis, (size, width) in enumerate(zip(sizes, kernel, strict=True)):
        total = max((-(-size // stride) - 1) * stride + width - size, 0)
        expected = [total // 2, total - total // 2]
        if [pads[axis], pads[axis + 2]] != expected:
            raise ValueError(f"expected TensorFlow's padding SAME, {expected}, got {pads}")


if __name__ == "__main__":
    written = Writer(onnx.load(sys.argv[1]).graph).write()
    with open(sys.argv[2], "wb") as file:
        file.write(written)
