"""Parts of numbers and divisors are refused: ONNX has no such operators."""

from lampion.ops.numbers import Frexp, Gcd, NextAfter
from lampion_export.convert import refuses

refuses("ONNX has no operator that takes the exponent out of a floating point number", Frexp)
refuses("ONNX has no operator that gives neighbouring floating point numbers", NextAfter)
refuses("ONNX has no operator for common divisors, and how often Euclid's loop turns depends on the data", Gcd)
