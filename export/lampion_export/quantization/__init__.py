"""A file made smaller and faster, measured against the file it comes from."""

from lampion_export.quantization.quantizer import quantize
from lampion_export.quantization.report import Quantized

__all__ = ["Quantized", "quantize"]
