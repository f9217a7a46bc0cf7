"""Fourier transforms are refused: their numbers are complex."""

from lampion.ops.fourier import Fft, Irfft, Rfft
from lampion_export.convert import refuses

refuses(
    "ONNX runtimes compute with real numbers only; multiply with the cosines and sines of the transform instead",
    Fft,
    Rfft,
    Irfft,
)
