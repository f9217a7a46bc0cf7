"""From what ran to one ONNX file with its card, verified on the runtime that will run it."""

from lampion.errors import UntraceableError
from lampion_export.compiled import Compiled, compile
from lampion_export.convert import converts
from lampion_export.errors import ExportError, MismatchError, UnsupportedError
from lampion_export.exporter import Exported, export
from lampion_export.foreign import add_card
from lampion_export.quantization import Quantized, quantize
from lampion_export.sklearn_models import from_sklearn
from lampion_export.torch_models import from_torch
from lampion_export.verification import Check, Report, verify

__all__ = [
    "Check",
    "Compiled",
    "ExportError",
    "Exported",
    "MismatchError",
    "Quantized",
    "Report",
    "UnsupportedError",
    "UntraceableError",
    "add_card",
    "compile",
    "converts",
    "export",
    "from_sklearn",
    "from_torch",
    "quantize",
    "verify",
]
