"""The parts of a number, its signs, bits and divisors, element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion import dtypes
from lampion.ops.analysis import logaddexp
from lampion.ops.arithmetic import abs, floor_divide, mul, pow, true_divide
from lampion.ops.comparison import where
from lampion.ops.complex import imag
from lampion.ops.create import ones_like, zeros_like
from lampion.ops.elementwise import Elementwise, binary, unbroadcast
from lampion.ops.promote import Op, as_tensor, cast, promoted
from lampion.symbolic import Spec

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Gcd(Elementwise):
    """The greatest common divisor, never negative; gcd(0, 0) is 0"""

    kinds = "iu"
    function = np.gcd


class NextAfter(Elementwise):
    """The next number of the dtype after x in the direction of y"""

    kinds = "f"
    function = np.nextafter

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g * (x != y), x)), (lambda: zeros_like(y))


class Frexp(Op):
    """x as mantissa times 2 ** exponent, the mantissa's size in [0.5, 1), the exponent int32."""

    def forward(self, x: Any) -> Any:
        mantissa, exponent = np.frexp(x)
        return mantissa, exponent.astype(np.int32)

    def infer(self, x: Any) -> Any:
        return Spec(x.shape, x.dtype), Spec(x.shape, np.int32)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        return (None if g[0] is None else g[0] / pow(2.0, out[1]),)


# ---- signs ----------------------------------------------------------------------------------------------------------


def positive(input: Tensor) -> Tensor:
    """Itself. Raises RuntimeError for bools."""
    if input.dtype is dtypes.bool_:
        raise RuntimeError("positive: the + operator is not supported for bool tensors; convert with .to() first")
    return input


def signbit(input: Tensor) -> Tensor:
    """Whether the sign is minus, which -0.0 has too."""
    if input.dtype.category < dtypes.FLOAT:
        return input < 0 if input.dtype is not dtypes.bool_ else input & False
    return (input < 0) | ((input == 0) & (true_divide(1, input) < 0))


def copysign(input: Tensor, other: Any) -> Tensor:
    """|input| with the sign of `other`."""
    x, y = promoted(input, other, floating=True)
    return abs(x) * where(signbit(y), -ones_like(y), 1)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, `values` at 0. Raises RuntimeError for two dtypes, as PyTorch does."""
    if input.dtype is not values.dtype:
        raise RuntimeError(f"heaviside: expected operands of one dtype, got {input.dtype} and {values.dtype}")
    return where(input == 0, values, cast(input > 0, input.dtype))


def isneginf(input: Tensor) -> Tensor:
    """Whether the element is -inf."""
    return input == -math.inf


def isposinf(input: Tensor) -> Tensor:
    """Whether the element is inf."""
    return input == math.inf


def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is 0."""
    return imag(input) == 0 if input.dtype.is_complex else input.isnan() | True


# ---- powers of two --------------------------------------------------------------------------------------------------


class MantissaExponent(NamedTuple):
    """What `frexp` gives."""

    mantissa: Tensor
    exponent: Tensor


def frexp(input: Tensor) -> MantissaExponent:
    """A pair (mantissa, exponent): input = mantissa * 2 ** exponent, with 0.5 <= |mantissa| < 1."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"frexp: expected a floating point dtype, got {input.dtype}")
    return MantissaExponent(*Frexp()(input))


def ldexp(input: Tensor, other: Any) -> Tensor:
    """input * 2 ** other; in the dtype of a floating point `input` where the exponents are integers."""
    exponent = as_tensor(other)
    result = mul(input, pow(2.0, exponent))
    own = input.dtype.category >= dtypes.FLOAT and exponent.dtype.category < dtypes.FLOAT
    return cast(result, input.dtype) if own else result


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2 ** x + 2 ** y) without overflow"""
    return logaddexp(input * math.log(2), other * math.log(2)) / math.log(2)


def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """input * 2 ** other for integers; 0 for a shift outside of the dtype's bits."""
    x, y = _integers("bitwise_left_shift", input, other)
    bits = 8 * x.dtype.itemsize
    inside = (y >= 0) & (y < bits)
    return x * where(inside, pow(2, where(inside, y, 0)), 0)


def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """input // 2 ** other for integers, rounded down; a shift outside of the dtype's bits leaves but the sign."""
    x, y = _integers("bitwise_right_shift", input, other)
    most = 8 * x.dtype.itemsize - 1
    if x.dtype.name.startswith("u"):
        inside = (y >= 0) & (y <= most)
        return where(inside, floor_divide(x, pow(2, where(inside, y, 0))), 0)
    inside = (y >= 0) & (y < most)
    return where(inside, floor_divide(x, pow(2, where(inside, y, 0))), -cast(x < 0, x.dtype))


def lshift(input: Tensor, other: Any) -> Tensor:
    """input << other: of floating point numbers input * 2 ** other."""
    return ldexp(input, other) if input.dtype.is_floating_point else bitwise_left_shift(input, other)


def rshift(input: Tensor, other: Any) -> Tensor:
    """input >> other: of floating point numbers input / 2 ** other."""
    if input.dtype.is_floating_point:
        return true_divide(input, pow(2.0, as_tensor(other)))
    return bitwise_right_shift(input, other)


def rlshift(input: Tensor, other: Any) -> Tensor:
    """other << input"""
    return lshift(as_tensor(other), input)


def rrshift(input: Tensor, other: Any) -> Tensor:
    """other >> input"""
    return rshift(as_tensor(other), input)


# ---- divisors -------------------------------------------------------------------------------------------------------

gcd = binary(Gcd())
nextafter = binary(NextAfter())


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple, never negative."""
    divisor = gcd(input, other)
    return abs(floor_divide(input, where(divisor == 0, 1, divisor)) * other)


# ---- angles and powers ----------------------------------------------------------------------------------------------


def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians."""
    return mul(input, math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees."""
    return mul(input, 180 / math.pi)


def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent in float64, or complex128."""
    x, _y = promoted(input, exponent)
    kind = dtypes.complex128 if x.dtype.is_complex else dtypes.float64
    return pow(as_tensor(input, kind), as_tensor(exponent, kind))


def _integers(who: str, input: Any, other: Any) -> list[Tensor]:
    pair = promoted(input, other)
    if pair[0].dtype.category != dtypes.INTEGER:
        raise NotImplementedError(f"{who}: expected integers, got {pair[0].dtype} tensors; convert with .to() first")
    return pair
