"""The float32 file: read, refused where it can't be quantized, and put into the shape that quantizers want."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from lampion_edge import EdgeError, ModelFile, Session
from lampion_export.errors import ExportError
from lampion_export.quantization.averages import pool_means

Model = str | Path | bytes | onnx.ModelProto
_QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}


def opened(model: Model) -> tuple[Session, onnx.ModelProto]:
    """A session of the model as it is, and its simplified graph. Raises ExportError if it is no float32 ONNX file."""
    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    try:
        session = Session(data)
    except EdgeError as error:
        raise ExportError(str(error), hint=error.hint) from error
    simple = simplified(data)
    if any(node.op_type in _QUANTIZED for node in simple.graph.node):
        raise ExportError(f"{session.name}: is quantized already", hint="quantize the float32 file it was made from")
    return session, simple


def simplified(data: str | Path | bytes) -> onnx.ModelProto:
    """The graph after onnxruntime's basic optimizations: batch norms and constants folded, every node with a name.

    They stay within ONNX's own operators, so that what comes out still runs anywhere. Means over pixels are pooled.
    """
    import onnxruntime as ort  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simplified.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(
            data if isinstance(data, bytes) else str(data), options, providers=["CPUExecutionProvider"]
        )
        model = ir.from_proto(onnx.load(path))
    common.RemoveUnusedOpsetsPass()(model)
    _name_nodes(model.graph)
    model = ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(model)))
    pool_means(model)
    return onnx.shape_inference.infer_shapes(ir.to_proto(model))


def size(model: Model) -> int:
    """The bytes of the file, or of the files where its weights lie beside it."""
    if isinstance(model, onnx.ModelProto):
        return model.ByteSize()
    if isinstance(model, bytes):
        return len(model)
    return sum(Path(path).stat().st_size for path in [model, *ModelFile.open(model).data_files])


def _name_nodes(graph: ir.Graph) -> None:
    """Layers are told apart by name, and foreign files may leave names out or use one twice."""
    taken: set[str] = set()
    for index, node in enumerate(graph.all_nodes()):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
        taken.add(node.name)
