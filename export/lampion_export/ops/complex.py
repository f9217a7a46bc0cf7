"""Complex numbers are refused: onnxruntime has no kernels for them."""

from lampion.ops.complex import AsComplex, AsReal, Conj
from lampion_export.convert import refuses

refuses(
    "ONNX runtimes compute with real numbers only; keep real and imaginary parts as tensors of their own",
    Conj,
    AsReal,
    AsComplex,
)
