"""Random numbers are refused: onnxruntime's would differ from those that ran."""

from lampion.ops.random import Integers, Normal, Poisson, Uniform
from lampion_export.convert import refuses

refuses(
    "onnxruntime's random numbers would differ from those that ran; draw them outside and pass them in, or export in eval mode",
    Uniform,
    Normal,
    Integers,
    Poisson,
)
