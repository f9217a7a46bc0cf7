"""From what ran to one ONNX file with its card, verified on the runtime that will run it.

A name's module is imported when the name is first used: a command that looks into a file doesn't wait for all that writes one.
"""

from typing import TYPE_CHECKING

from lampion_edge.lazily import lazily

if TYPE_CHECKING:  # the same table, for type checkers and editors
    from lampion.errors import UntraceableError as UntraceableError
    from lampion_export.compiled import Compiled as Compiled
    from lampion_export.compiled import compile as compile
    from lampion_export.convert import converts as converts
    from lampion_export.errors import ExportError as ExportError
    from lampion_export.errors import MismatchError as MismatchError
    from lampion_export.errors import UnsupportedError as UnsupportedError
    from lampion_export.exporter import Exported as Exported
    from lampion_export.exporter import export as export
    from lampion_export.foreign import add_card as add_card
    from lampion_export.quantization import Quantized as Quantized
    from lampion_export.quantization import quantize as quantize
    from lampion_export.sklearn_models import from_sklearn as from_sklearn
    from lampion_export.torch_models import from_torch as from_torch
    from lampion_export.verification import Check as Check
    from lampion_export.verification import Report as Report
    from lampion_export.verification import verify as verify

_HOMES = {
    "Check": ".verification",
    "Compiled": ".compiled",
    "ExportError": ".errors",
    "Exported": ".exporter",
    "MismatchError": ".errors",
    "Quantized": ".quantization",
    "Report": ".verification",
    "UnsupportedError": ".errors",
    "UntraceableError": "lampion.errors",
    "add_card": ".foreign",
    "compile": ".compiled",
    "converts": ".convert",
    "export": ".exporter",
    "from_sklearn": ".sklearn_models",
    "from_torch": ".torch_models",
    "quantize": ".quantization",
    "verify": ".verification",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazily(globals(), _HOMES)
