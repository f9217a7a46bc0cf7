"""A function of Tensors, or a whole training step, as one graph that onnxruntime runs."""

from lampion_export.compiled.compiler import Compiled, compile

__all__ = ["Compiled", "compile"]
