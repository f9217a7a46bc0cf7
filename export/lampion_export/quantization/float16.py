"""float16: weights and arithmetic at half the width, wherever ONNX has the operator for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common

LARGEST = float(np.finfo(np.float16).max)
# The first write their dtype in an attribute or carry other graphs; the last are where onnxruntime's own converter keeps
# float32. (That converter, which changes dtypes in place, breaks graphs whose Ifs and Loops look at values around them.)
_KEPT = {
    *(
        "Cast",
        "CastLike",
        "Constant",
        "ConstantOfShape",
        "EyeLike",
        "If",
        "Loop",
        "Scan",
        "SequenceEmpty",
        "SequenceMap",
    ),
    *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("CumSum", "Max", "Min", "NonMaxSuppression", "Range", "RoiAlign", "TopK", "Upsample"),
}
Slots = tuple[list[int], list[int]]


class Float16:
    """Each operator that ONNX defines for float16 runs between casts, and casts that meet cancel out.

    The graph's inputs and outputs, and what goes in and out of an If or Loop, stay float32; the bodies are converted too.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graphs = ir.from_proto(model)
        self.layers = [node.name or "" for node in graphs.graph.all_nodes() if _slots(node, graphs.opset_imports[""])]

    def convert(self, left: Collection[str]) -> onnx.ModelProto:
        """The model with all layers in float16 but those in `left`."""
        model = ir.from_proto(self.model)
        twins = _Twins(model.graph)
        for graph in list(model.graphs()):
            twins.here.clear()
            for node in list(graph):
                slots = _slots(node, model.opset_imports[""])
                if slots and node.name not in left:
                    _narrow_inputs(node, slots[0], twins)
                    _widen_outputs(node, slots[1], twins)
        common.RemoveUnusedNodesPass()(model)
        return ir.to_proto(model)


class _Twins:
    """The float16 twins of float32 values: of constants, which lie in the main graph, and of what `here` is computed."""

    def __init__(self, main: ir.Graph) -> None:
        self.main = main
        self.constants: dict[ir.Value, ir.Value] = {}
        self.here: dict[ir.Value, ir.Value] = {}
        self.count = 0

    def name(self, value: ir.Value) -> str:
        """A name that no graph uses: bodies of Ifs and Loops may not reuse those around them."""
        self.count += 1
        return f"{value.name}_float16_{self.count}"

    def constant(self, value: ir.Value) -> ir.Value:
        """The twin of a constant."""
        if value not in self.constants:
            assert value.const_value is not None
            tensor = ir.tensor(value.const_value.numpy().astype(np.float16), name=self.name(value))
            dtype = ir.TensorType(ir.DataType.FLOAT16)
            twin = ir.Value(name=tensor.name, const_value=tensor, type=dtype, shape=value.shape)
            self.main.register_initializer(twin)
            self.constants[value] = twin
        return self.constants[value]

    def computed(self, value: ir.Value, user: ir.Node) -> ir.Value:
        """The twin of a value, cast before its first user if need be."""
        if value not in self.here:
            cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT16})
            cast.outputs[0].name = self.name(value)
            user.prepend(cast)
            self.here[value] = cast.outputs[0]
        return self.here[value]


def _slots(node: ir.Node, opset: int) -> Slots | None:
    """Which inputs and outputs of a node turn to float16; None for a node that stays as it is."""
    if node.domain or node.op_type in _KEPT or not onnx.defs.has(node.op_type, opset):
        return None
    schema = onnx.defs.get_schema(node.op_type, opset)
    kinds = {c.type_param_str for c in schema.type_constraints if "tensor(float16)" in c.allowed_type_strs}
    inputs = [i for i, x in enumerate(node.inputs) if _is_float(x) and _type(schema.inputs, i) in kinds]
    used = {_type(schema.inputs, i) for i in inputs}
    outputs = [i for i, y in enumerate(node.outputs) if _is_float(y) and _type(schema.outputs, i) in used]
    return (inputs, outputs) if outputs and all(_fits(node.inputs[i]) for i in inputs) else None


def _narrow_inputs(node: ir.Node, inputs: list[int], twins: _Twins) -> None:
    for i in inputs:
        value = node.inputs[i]
        assert value is not None
        twin = twins.computed(value, node) if value.const_value is None else twins.constant(value)
        node.replace_input_with(i, twin)


def _widen_outputs(node: ir.Node, outputs: list[int], twins: _Twins) -> None:
    """Whoever uses the node's outputs gets float32, under the old name."""
    for i in outputs:
        narrow = node.outputs[i]
        cast = ir.node("Cast", [None], {"to": ir.DataType.FLOAT})
        wide = cast.outputs[0]
        wide.type, wide.shape = ir.TensorType(ir.DataType.FLOAT), narrow.shape
        narrow.replace_all_uses_with(wide, replace_graph_outputs=True)
        wide.name, narrow.name = narrow.name, twins.name(narrow)
        narrow.dtype = ir.DataType.FLOAT16
        cast.replace_input_with(0, narrow)
        node.append(cast)
        twins.here[wide] = narrow


def _type(parameters: Sequence[onnx.defs.OpSchema.FormalParameter], index: int) -> str:
    """The name of the type of an input or output; the last one may stand for many."""
    return parameters[min(index, len(parameters) - 1)].type_str


def _is_float(value: ir.Value | None) -> bool:
    return value is not None and value.dtype == ir.DataType.FLOAT


def _fits(value: ir.Value | None) -> bool:
    """Whether no finite constant would become infinite."""
    if value is None or value.const_value is None:
        return True
    numbers = np.abs(value.const_value.numpy())
    return bool((numbers[np.isfinite(numbers)] <= LARGEST).all())
