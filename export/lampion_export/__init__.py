"""From what ran to one ONNX file with its card, verified on the runtime that will run it.

A name's module is imported when the name is first used: a command that looks into a file doesn't wait for all that writes one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "Check": "lampion_export.verification",
    "Compiled": "lampion_export.compiled",
    "ExportError": "lampion_export.errors",
    "Exported": "lampion_export.exporter",
    "MismatchError": "lampion_export.errors",
    "Quantized": "lampion_export.quantization",
    "Report": "lampion_export.verification",
    "UnsupportedError": "lampion_export.errors",
    "UntraceableError": "lampion.errors",
    "add_card": "lampion_export.foreign",
    "compile": "lampion_export.compiled",
    "converts": "lampion_export.convert",
    "export": "lampion_export.exporter",
    "from_sklearn": "lampion_export.sklearn_models",
    "from_torch": "lampion_export.torch_models",
    "quantize": "lampion_export.quantization",
    "verify": "lampion_export.verification",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
