"""The functions of analysis, element by element: powers of e, logarithms, roots, angles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.kernels import special
from lampion.ops.comparison import where
from lampion.ops.complex import conj
from lampion.ops.elementwise import Elementwise, binary, unary, unbroadcast

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Exp(Elementwise):
    """e ** x"""

    def forward(self, x: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.exp(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(out),)


class Expm1(Elementwise):
    """e ** x - 1, exact near 0"""

    def forward(self, x: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.expm1(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(out + 1),)


class Log(Elementwise):
    """The natural logarithm; -inf at 0, nan below"""

    def forward(self, x: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / conj(x),)


class Log1p(Elementwise):
    """log(1 + x), exact near 0"""

    def forward(self, x: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log1p(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / conj(x + 1),)


class Sqrt(Elementwise):
    """The square root; nan below 0"""

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.sqrt(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / conj(out * 2),)


class Sin(Elementwise):
    """The sine of an angle in radians"""

    function = np.sin

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(cos(x)),)


class Cos(Elementwise):
    """The cosine of an angle in radians"""

    function = np.cos

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g * conj(sin(x)),)


class Tan(Elementwise):
    """The tangent of an angle in radians"""

    function = np.tan

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(out * out + 1),)


class Asin(Elementwise):
    """The angle in [-pi/2, pi/2] with this sine; nan outside [-1, 1]"""

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.arcsin(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / conj(sqrt(1 - x * x)),)


class Acos(Elementwise):
    """The angle in [0, pi] with this cosine; nan outside [-1, 1]"""

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.arccos(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g / conj(sqrt(1 - x * x)),)


class Atan(Elementwise):
    """The angle in (-pi/2, pi/2) with this tangent"""

    function = np.arctan

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / conj(x * x + 1),)


class Atan2(Elementwise):
    """The angle of the point (y, x)"""

    kinds = "f"
    function = np.arctan2

    def gradient(self, g: Tensor, out: Tensor, y: Tensor, x: Tensor) -> tuple[Any, ...]:
        square = x * x + y * y
        return (lambda: unbroadcast(g * x / square, y)), (lambda: unbroadcast(-g * y / square, x))


class Sinh(Elementwise):
    """The hyperbolic sine"""

    function = np.sinh

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(cosh(x)),)


class Cosh(Elementwise):
    """The hyperbolic cosine"""

    function = np.cosh

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(sinh(x)),)


class Tanh(Elementwise):
    """The hyperbolic tangent"""

    function = np.tanh

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(1 - out * out),)


class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))"""

    function = special.sigmoid

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * conj(out * (1 - out)),)


class Erf(Elementwise):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x"""

    kinds = "f"
    function = special.erf

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * exp(-x * x) * (2 / math.sqrt(math.pi)),)


# ---- functions ------------------------------------------------------------------------------------------------------


exp, expm1, log, log1p, sqrt = unary(Exp()), unary(Expm1()), unary(Log()), unary(Log1p()), unary(Sqrt())
sin, cos, tan = unary(Sin()), unary(Cos()), unary(Tan())
asin, acos, atan = unary(Asin()), unary(Acos()), unary(Atan())
sinh, cosh, tanh = unary(Sinh()), unary(Cosh()), unary(Tanh())
sigmoid, erf = unary(Sigmoid()), unary(Erf())
atan2 = binary(Atan2(), floating=True)
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2


def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(x)"""
    return 1 / sqrt(input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, x itself where beta x > threshold."""
    scaled = input * beta
    return where(scaled > threshold, input, log1p(exp(scaled.clamp(max=threshold))) / beta)


def exp2(input: Tensor) -> Tensor:
    """2 ** x"""
    return exp(input * math.log(2))


def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2."""
    return log(input) / math.log(2)


def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
    return log(input) / math.log(10)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(x) + exp(y)) without overflow"""
    distance = where(input == other, 0.0, input - other)
    return input.maximum(other) + log1p(exp(-distance.abs()))


def asinh(input: Tensor) -> Tensor:
    """log(x + sqrt(x^2 + 1)), exact near 0"""
    side = where(input < 0, -1.0, 1.0).to(input.dtype)
    size = input * side
    square = size * size
    return side * log1p(size + square / (1 + sqrt(1 + square)))


def acosh(input: Tensor) -> Tensor:
    """log(x + sqrt(x^2 - 1)), exact near 1; nan below"""
    above = input - 1
    return log1p(above + sqrt(above * (above + 2)))


def atanh(input: Tensor) -> Tensor:
    """log((1 + x) / (1 - x)) / 2; nan outside [-1, 1]"""
    return (log1p(input) - log1p(-input)) / 2


def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0"""
    zero = input == 0
    angle = where(zero, 1.0, input * math.pi)
    return where(zero, 1.0, sin(angle) / angle)


arcsinh, arccosh, arctanh = asinh, acosh, atanh
