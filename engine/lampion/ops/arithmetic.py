"""Arithmetic, element by element: sums, products, powers, remainders, extremes, rounding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.comparison import isnan, where
from lampion.ops.complex import conj, real, sgn
from lampion.ops.create import zeros_like
from lampion.ops.elementwise import Elementwise, binary, checked, unary, unbroadcast
from lampion.ops.promote import cast, promoted
from lampion.symbolic import Spec, Symbolic
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Add(Elementwise):
    """x + y; for bool the logical or, as PyTorch has it."""

    function = np.add

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g, x)), (lambda: unbroadcast(g, y))


class Sub(Elementwise):
    """x - y"""

    function = np.subtract

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g, x)), (lambda: unbroadcast(-g, y))


class Mul(Elementwise):
    """x * y"""

    function = np.multiply

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g * conj(y), x)), (lambda: unbroadcast(g * conj(x), y))


class Div(Elementwise):
    """x / y of floating point numbers"""

    def forward(self, x: Any, y: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return x / y

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g / conj(y), x)), (lambda: unbroadcast(-g * conj(out / y), y))


class Pow(Elementwise):
    """x ** y"""

    kinds = "iufc"

    def forward(self, x: Any, y: Any) -> Any:
        if y.dtype.kind == "i" and np.any(y < 0):
            inverse = np.where(np.abs(x) == 1, np.power(x, np.abs(y)), np.zeros_like(x))  # 1 / x rounded towards 0
            return np.where(y < 0, inverse, np.power(x, np.abs(y)))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.power(x, y)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        def base() -> Tensor:
            return unbroadcast(g * conj(where(y == 0, 0.0, y * x ** (y - 1))), x)

        def exponent() -> Tensor:
            return unbroadcast(g * conj(where((x == 0) & (real(y) >= 0), 0.0, out * x.log())), y)

        return base, exponent


class FloorDivide(Elementwise):
    """Quotient rounded towards minus infinity"""

    kinds = "iuf"

    def forward(self, x: Any, y: Any) -> Any:
        if x.dtype.kind in "iu" and np.any(y == 0):
            raise RuntimeError("floor_divide: integer division by zero")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.floor_divide(x, y)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: zeros_like(x)), (lambda: zeros_like(y))


class Remainder(Elementwise):
    """x - y * floor(x / y): the sign of the divisor"""

    kinds = "iuf"

    def forward(self, x: Any, y: Any) -> Any:
        if x.dtype.kind in "iu" and np.any(y == 0):
            raise RuntimeError("remainder: integer division by zero")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.remainder(x, y)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g, x)), (lambda: unbroadcast(-g * floor(x / y), y))


class Fmod(Elementwise):
    """x - y * trunc(x / y): the sign of the dividend"""

    kinds = "iuf"

    def forward(self, x: Any, y: Any) -> Any:
        if x.dtype.kind in "iu" and np.any(y == 0):
            raise RuntimeError("fmod: integer division by zero")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.fmod(x, y)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g, x)), (lambda: unbroadcast(-g * trunc(x / y), y))


class Maximum(Elementwise):
    """The larger one; where equal, each gets half of the gradient. A nan wins."""

    kinds = "biuf"
    function = np.maximum

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return _to_winner(g, x, y, x > y, y > x)


class Minimum(Elementwise):
    """The smaller one; where equal, each gets half of the gradient. A nan wins."""

    kinds = "biuf"
    function = np.minimum

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return _to_winner(g, x, y, x < y, y < x)


def _to_winner(g: Tensor, x: Tensor, y: Tensor, x_wins: Tensor, y_wins: Tensor) -> tuple[Any, ...]:
    tie = (x == y) * 0.5
    return (lambda: unbroadcast(g * (x_wins + cast(tie, g.dtype)), x)), (
        lambda: unbroadcast(g * (y_wins + cast(tie, g.dtype)), y)
    )


class Neg(Elementwise):
    """-x"""

    kinds = "iufc"
    function = np.negative

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g,)


class Abs(Elementwise):
    """|x|; gradient 0 at 0"""

    kinds = "iufc"
    function = np.abs

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, np.zeros(0, x.dtype).real.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * sgn(x),)


class Sign(Elementwise):
    """-1, 0 or 1; bools stay as they are"""

    kinds = "biuf"

    def forward(self, x: Any) -> Any:
        return np.sign(x) if x.dtype.kind != "b" else x.copy()

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (zeros_like(g),)


class Rounding(Elementwise):
    """Base: steps, whose gradient is 0 everywhere; integers stay as they are."""

    kinds = "iuf"

    def forward(self, x: Any) -> Any:
        return type(self).function(x) if x.dtype.kind == "f" else x.copy()

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (zeros_like(g),)


class Floor(Rounding):
    """The largest integer not above x"""

    function = np.floor


class Ceil(Rounding):
    """The smallest integer not below x"""

    function = np.ceil


class Round(Rounding):
    """The nearest integer, halves to even"""

    function = np.round


class Trunc(Rounding):
    """The integer part"""

    function = np.trunc


class Clamp(Elementwise):
    """Limits to [low, high], either of which may be None; the bounds themselves let the gradient through."""

    kinds = "iuf"

    def __init__(self, low: float | None, high: float | None) -> None:
        self.low, self.high = low, high

    def forward(self, x: Any) -> Any:
        return np.clip(x, self.low, self.high).astype(x.dtype, copy=False)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * cast(x == out, g.dtype),)


class Relu(Elementwise):
    """max(x, 0); gradient 0 at 0"""

    kinds = "iuf"

    def forward(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * cast(out > 0, g.dtype),)


# ---- functions ------------------------------------------------------------------------------------------------------


_ADD, _SUB = Add(), Sub()

_POW = binary(Pow())

mul = binary(Mul())
true_divide = binary(Div(), floating=True, name="div")
floor_divide = binary(FloorDivide(), name="floor_divide")
remainder = binary(Remainder())
fmod = binary(Fmod())
maximum = binary(Maximum())
minimum = binary(Minimum())

neg = unary(Neg(), floating=False)
abs = unary(Abs(), floating=False)
sign = unary(Sign(), floating=False)
floor, ceil, trunc = unary(Floor(), floating=False), unary(Ceil(), floating=False), unary(Trunc(), floating=False)
relu = unary(Relu(), floating=False)
absolute, negative, multiply, fix = abs, neg, mul, trunc


def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent. Raises RuntimeError for integers to a negative integer number, whose results are no integers."""
    if type(exponent) is int and exponent < 0 and promoted(input)[0].dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            f"pow: integers to negative integer powers are not allowed, got {exponent}; use .float() first"
        )
    return _POW(input, exponent)


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha * other"""
    x, y = promoted(input, other if _is_one(alpha) else mul(other, alpha))
    return _ADD(x, y)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha * other"""
    if any(isinstance(x, bool) or (isinstance(x, Handle) and x._value.data.dtype.kind == "b") for x in (input, other)):
        raise RuntimeError("sub: subtraction with a bool tensor is not supported; use logical_xor or ~")
    x, y = promoted(input, other if _is_one(alpha) else mul(other, alpha))
    return _SUB(x, y)


subtract = sub


def rsub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """other - alpha * input"""
    return sub(other, input, alpha=alpha)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; `rounding_mode` None (floating point), "trunc" (towards 0) or "floor"."""
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        x, y = promoted(input, other)
        quotient = trunc(true_divide(x, y))
        return cast(quotient, x.dtype)
    raise RuntimeError(f"div: expected rounding_mode None, 'trunc' or 'floor', got {rounding_mode!r}")


divide = div


def rdiv(input: Tensor, other: Any) -> Tensor:
    """other / input"""
    return true_divide(other, input)


def rpow(input: Tensor, other: Any) -> Tensor:
    """other ** input"""
    return pow(other, input)


def rfloordiv(input: Tensor, other: Any) -> Tensor:
    """other // input"""
    return floor_divide(other, input)


def rmod(input: Tensor, other: Any) -> Tensor:
    """other % input"""
    return remainder(other, input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number of `decimals` decimals, halves to even."""
    if decimals == 0:
        return Round()(*checked(Round(), [input]))
    return Round()(input * 10.0**decimals) / 10.0**decimals


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limits to [min, max]; either may be missing."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given")
    if not any(isinstance(b, Handle | Symbolic) for b in (min, max)):
        return _clamp_by_number(input, min, max)
    input = input if min is None else maximum(input, min)
    return input if max is None else minimum(input, max)


clip = clamp


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """At least `min`."""
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """At most `max`."""
    return clamp(input, max=max)


def _clamp_by_number(input: Tensor, low: Any, high: Any) -> Tensor:
    bounds = [b for b in (low, high) if b is not None]
    op = Clamp(low, high)
    return op(checked(op, promoted(input, *bounds))[0])


def square(input: Tensor) -> Tensor:
    """x * x; of bools as int64"""
    x = cast(input, dtypes.int64) if input.dtype is dtypes.bool_ else input
    return mul(x, x)


def reciprocal(input: Tensor) -> Tensor:
    """1 / x"""
    return true_divide(1, input)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)"""
    return input + weight * (end - input)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 * tensor2"""
    return input + tensor1 * tensor2 * value


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 / tensor2"""
    return input + tensor1 / tensor2 * value


def _is_one(alpha: Any) -> bool:
    return isinstance(alpha, int | float) and alpha == 1


def frac(input: Tensor) -> Tensor:
    """x - trunc(x)"""
    return input - trunc(input)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(x^2 + y^2)"""
    return (input * input + other * other).sqrt()


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger one; a nan loses."""
    return where(isnan(other) | (input >= other), input, other)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller one; a nan loses."""
    return where(isnan(other) | (input <= other), input, other)


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Numbers in place of nan and the infinities, by default 0 and the largest and smallest of the dtype."""
    if input.dtype.category < dtypes.FLOAT:
        return input.clone()
    limits = dtypes.finfo(input.dtype)
    high, low = (float(limits.max) if posinf is None else posinf), (float(limits.min) if neginf is None else neginf)
    x = where(isnan(input), nan, input)
    return where(x == math.inf, high, where(x == -math.inf, low, x))
