"""Elementwise ops: arithmetic, comparison, logic, the functions of analysis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lampion import dtypes
from lampion.kernels import special
from lampion.ops.promote import as_tensor, cast, promoted
from lampion.symbolic import Spec, broadcast_shapes, same
from lampion.tape import Handle, Primitive

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Elementwise(Primitive):
    """Base: numpy's function of the same meaning, broadcasting, the dtype of the inputs."""

    function: ClassVar[Callable[..., Any]]

    def forward(self, *arrays: Any) -> Any:
        return type(self).function(*arrays)

    def infer(self, *inputs: Any) -> Spec:
        return Spec(broadcast_shapes(*[x.shape for x in inputs]), inputs[0].dtype)


def unbroadcast(g: Tensor, like: Tensor) -> Tensor:
    """Sums `g` over the axes along which `like` was broadcast to it."""
    shape = like.shape
    if len(shape) == g.ndim and all(map(same, g.shape, shape)):
        return g
    extra = g.ndim - len(shape)
    dims = [*range(extra), *(extra + i for i, n in enumerate(shape) if same(n, 1) and not same(g.shape[extra + i], 1))]
    return g.sum(dims, keepdim=True).reshape(shape) if dims else g


# ---- arithmetic -----------------------------------------------------------------------------------------------------


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
        return (lambda: unbroadcast(g * y, x)), (lambda: unbroadcast(g * x, y))


class Div(Elementwise):
    """x / y of floating point numbers"""

    def forward(self, x: Any, y: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return x / y

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g / y, x)), (lambda: unbroadcast(-g * out / y, y))


class Pow(Elementwise):
    """x ** y"""

    def forward(self, x: Any, y: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.power(x, y)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        def base() -> Tensor:
            return unbroadcast(g * where(y == 0, 0.0, y * x ** (y - 1)), x)

        def exponent() -> Tensor:
            return unbroadcast(g * where((x == 0) & (y >= 0), 0.0, out * log(x)), y)

        return base, exponent


class FloorDivide(Elementwise):
    """Quotient rounded towards minus infinity"""

    def forward(self, x: Any, y: Any) -> Any:
        if x.dtype.kind in "iu" and np.any(y == 0):
            raise RuntimeError("floor_divide: integer division by zero")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.floor_divide(x, y)


class Remainder(Elementwise):
    """x - y * floor(x / y): the sign of the divisor"""

    def forward(self, x: Any, y: Any) -> Any:
        if x.dtype.kind in "iu" and np.any(y == 0):
            raise RuntimeError("remainder: integer division by zero")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.remainder(x, y)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (lambda: unbroadcast(g, x)), (lambda: unbroadcast(-g * floor(x / y), y))


class Maximum(Elementwise):
    """The larger one; where equal, each gets half of the gradient. A nan wins."""

    function = np.maximum

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return _to_winner(g, x, y, x > y, y > x)


class Minimum(Elementwise):
    """The smaller one; where equal, each gets half of the gradient. A nan wins."""

    function = np.minimum

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return _to_winner(g, x, y, x < y, y < x)


def _to_winner(g: Tensor, x: Tensor, y: Tensor, x_wins: Tensor, y_wins: Tensor) -> tuple[Any, ...]:
    tie = (x == y) * 0.5
    return (lambda: unbroadcast(g * (x_wins + cast(tie, g.dtype)), x)), (
        lambda: unbroadcast(g * (y_wins + cast(tie, g.dtype)), y)
    )


class Atan2(Elementwise):
    """The angle of the point (y, x)"""

    function = np.arctan2

    def gradient(self, g: Tensor, out: Tensor, y: Tensor, x: Tensor) -> tuple[Any, ...]:
        square = x * x + y * y
        return (lambda: unbroadcast(g * x / square, y)), (lambda: unbroadcast(-g * y / square, x))


# ---- comparison and logic -------------------------------------------------------------------------------------------


class Comparison(Elementwise):
    """Base: gives bool."""

    def infer(self, *inputs: Any) -> Spec:
        return Spec(broadcast_shapes(*[x.shape for x in inputs]), np.bool_)


class Eq(Comparison):
    """x == y"""

    function = np.equal


class Ne(Comparison):
    """x != y"""

    function = np.not_equal


class Lt(Comparison):
    """x < y"""

    function = np.less


class Le(Comparison):
    """x <= y"""

    function = np.less_equal


class Gt(Comparison):
    """x > y"""

    function = np.greater


class Ge(Comparison):
    """x >= y"""

    function = np.greater_equal


class And(Elementwise):
    """Logical and for bool, bitwise for integers"""

    function = np.bitwise_and


class Or(Elementwise):
    """Logical or for bool, bitwise for integers"""

    function = np.bitwise_or


class Xor(Elementwise):
    """Logical exclusive or for bool, bitwise for integers"""

    function = np.bitwise_xor


class Not(Elementwise):
    """Logical not for bool, bitwise for integers"""

    function = np.invert


class IsNan(Comparison):
    """Whether the element is not a number"""

    function = np.isnan


class IsInf(Comparison):
    """Whether the element is infinite"""

    function = np.isinf


class Where(Elementwise):
    """x where the condition holds, else y"""

    function = np.where

    def infer(self, condition: Any, x: Any, y: Any) -> Spec:
        return Spec(broadcast_shapes(condition.shape, x.shape, y.shape), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, condition: Tensor, x: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (
            None,
            (lambda: unbroadcast(where(condition, g, 0.0), x)),
            (lambda: unbroadcast(where(condition, 0.0, g), y)),
        )


# ---- functions of one number ----------------------------------------------------------------------------------------


class Neg(Elementwise):
    """-x"""

    function = np.negative

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g,)


class Exp(Elementwise):
    """e ** x"""

    def forward(self, x: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.exp(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * out,)


class Expm1(Elementwise):
    """e ** x - 1, exact near 0"""

    def forward(self, x: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.expm1(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (out + 1),)


class Log(Elementwise):
    """The natural logarithm; -inf at 0, nan below"""

    def forward(self, x: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / x,)


class Log1p(Elementwise):
    """log(1 + x), exact near 0"""

    def forward(self, x: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log1p(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / (x + 1),)


class Sqrt(Elementwise):
    """The square root; nan below 0"""

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.sqrt(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / (out * 2),)


class Abs(Elementwise):
    """|x|; gradient 0 at 0"""

    function = np.abs

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * sign(x),)


class Sign(Elementwise):
    """-1, 0 or 1"""

    function = np.sign

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * 0,)


class Rounding(Elementwise):
    """Base: steps, whose gradient is 0 everywhere; integers stay as they are."""

    def forward(self, x: Any) -> Any:
        return type(self).function(x) if x.dtype.kind == "f" else x.copy()

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * 0,)


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


class Sin(Elementwise):
    """The sine of an angle in radians"""

    function = np.sin

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * cos(x),)


class Cos(Elementwise):
    """The cosine of an angle in radians"""

    function = np.cos

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g * sin(x),)


class Tan(Elementwise):
    """The tangent of an angle in radians"""

    function = np.tan

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (out * out + 1),)


class Asin(Elementwise):
    """The angle in [-pi/2, pi/2] with this sine; nan outside [-1, 1]"""

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.arcsin(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / sqrt(1 - x * x),)


class Acos(Elementwise):
    """The angle in [0, pi] with this cosine; nan outside [-1, 1]"""

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.arccos(x)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g / sqrt(1 - x * x),)


class Atan(Elementwise):
    """The angle in (-pi/2, pi/2) with this tangent"""

    function = np.arctan

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g / (x * x + 1),)


class Sinh(Elementwise):
    """The hyperbolic sine"""

    function = np.sinh

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * cosh(x),)


class Cosh(Elementwise):
    """The hyperbolic cosine"""

    function = np.cosh

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * sinh(x),)


class Tanh(Elementwise):
    """The hyperbolic tangent"""

    function = np.tanh

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (1 - out * out),)


class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))"""

    function = special.sigmoid

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * out * (1 - out),)


class Erf(Elementwise):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x"""

    function = special.erf

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * exp(-x * x) * (2 / math.sqrt(math.pi)),)


class Relu(Elementwise):
    """max(x, 0); gradient 0 at 0"""

    def forward(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * cast(out > 0, g.dtype),)


# ---- functions ------------------------------------------------------------------------------------------------------


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha * other"""
    x, y = promoted(input, other if _is_one(alpha) else mul(other, alpha))
    return _ADD(x, y)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha * other"""
    x, y = promoted(input, other if _is_one(alpha) else mul(other, alpha))
    if x._value.data.dtype == np.bool_:
        raise RuntimeError("sub: subtraction of bool tensors is not supported; use logical_xor or ~")
    return _SUB(x, y)


def rsub(input: Tensor, other: Any) -> Tensor:
    """other - input"""
    return sub(other, input)


def _unary(op: Primitive, *, floating: bool = True, doc: str = "") -> Callable[[Tensor], Tensor]:
    """The function of one tensor for `op`; with `floating` an integer input is converted to the default float."""

    def function(input: Tensor) -> Tensor:
        return op(*promoted(input, floating=floating))

    function.__name__ = function.__qualname__ = type(op).__name__.lower()
    function.__doc__ = doc or type(op).__doc__
    return function


def _binary(op: Primitive, *, floating: bool = False, name: str = "") -> Callable[[Any, Any], Tensor]:
    """The function of two operands for `op`, either of which may be a number."""

    def function(input: Any, other: Any) -> Tensor:
        return op(*promoted(input, other, floating=floating))

    function.__name__ = function.__qualname__ = name or type(op).__name__.lower()
    function.__doc__ = type(op).__doc__
    return function


_ADD, _SUB = Add(), Sub()
_EQ, _NE = Eq(), Ne()

mul = _binary(Mul())
true_divide = _binary(Div(), floating=True, name="div")
pow = _binary(Pow())
floor_divide = _binary(FloorDivide(), name="floor_divide")
remainder = _binary(Remainder())
maximum = _binary(Maximum())
minimum = _binary(Minimum())
atan2 = _binary(Atan2(), floating=True)
lt, le, gt, ge = _binary(Lt()), _binary(Le()), _binary(Gt()), _binary(Ge())
bitwise_and, bitwise_or, bitwise_xor = _binary(And()), _binary(Or()), _binary(Xor())
bitwise_not = _unary(Not(), floating=False)

neg = _unary(Neg(), floating=False)
exp, expm1, log, log1p, sqrt = _unary(Exp()), _unary(Expm1()), _unary(Log()), _unary(Log1p()), _unary(Sqrt())
abs = _unary(Abs(), floating=False)
sign = _unary(Sign(), floating=False)
floor, ceil, trunc = _unary(Floor(), floating=False), _unary(Ceil(), floating=False), _unary(Trunc(), floating=False)
sin, cos, tan = _unary(Sin()), _unary(Cos()), _unary(Tan())
asin, acos, atan = _unary(Asin()), _unary(Acos()), _unary(Atan())
sinh, cosh, tanh = _unary(Sinh()), _unary(Cosh()), _unary(Tanh())
sigmoid, erf = _unary(Sigmoid()), _unary(Erf())
relu = _unary(Relu(), floating=False)
isnan, isinf = _unary(IsNan()), _unary(IsInf())


def eq(input: Any, other: Any) -> Tensor:
    """x == y; False where the other is no number."""
    if not _comparable(other):
        return NotImplemented
    return _EQ(*promoted(input, other))


def ne(input: Any, other: Any) -> Tensor:
    """x != y; True where the other is no number."""
    if not _comparable(other):
        return NotImplemented
    return _NE(*promoted(input, other))


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
        return Round()(input)
    return Round()(input * 10.0**decimals) / 10.0**decimals


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """input where the condition (bool) holds, else other."""
    if condition._value.data.dtype != np.bool_:
        raise RuntimeError(f"where: expected condition of dtype bool, got {condition.dtype}")
    x, y = promoted(input, other)
    return Where()(condition, x, y)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limits to [min, max]; either may be missing."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given")
    if all(b is None or not isinstance(b, Handle) for b in (min, max)):
        return _clamp_by_number(input, min, max)
    input = input if min is None else maximum(input, min)
    return input if max is None else minimum(input, max)


class Clamp(Elementwise):
    """Limits to [low, high], either of which may be None; the bounds themselves let the gradient through."""

    def __init__(self, low: float | None, high: float | None) -> None:
        self.low, self.high = low, high

    def forward(self, x: Any) -> Any:
        return np.clip(x, self.low, self.high).astype(x.dtype, copy=False)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * cast(x == out, g.dtype),)


def _clamp_by_number(input: Tensor, low: Any, high: Any) -> Tensor:
    bounds = [b for b in (low, high) if b is not None]
    [input, *_] = promoted(input, *bounds)
    return Clamp(low, high)(input)


def square(input: Tensor) -> Tensor:
    """x * x"""
    return mul(input, input)


def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(x)"""
    return 1 / sqrt(input)


def reciprocal(input: Tensor) -> Tensor:
    """1 / x"""
    return true_divide(1, input)


def logical_not(input: Tensor) -> Tensor:
    """Whether the element is 0 or False."""
    return eq(input, 0)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both elements are other than 0."""
    return bitwise_and(ne(input, 0), ne(other, 0))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether at least one element is other than 0."""
    return bitwise_or(ne(input, 0), ne(other, 0))


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether exactly one element is other than 0."""
    return ne(ne(input, 0), ne(other, 0))


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)"""
    return input + weight * (end - input)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 * tensor2"""
    return input + tensor1 * tensor2 * value


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 / tensor2"""
    return input + tensor1 / tensor2 * value


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, x itself where beta x > threshold."""
    scaled = input * beta
    return where(scaled > threshold, input, log1p(exp(clamp(scaled, max=threshold))) / beta)


def isfinite(input: Tensor) -> Tensor:
    """Whether the element is neither infinite nor nan."""
    return logical_not(logical_or(isnan(input), isinf(input)))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08) -> Tensor:
    """|input - other| <= atol + rtol * |other|"""
    return abs(input - other) <= abs(as_tensor(other)) * rtol + atol


def _is_one(alpha: Any) -> bool:
    return isinstance(alpha, int | float) and alpha == 1


def _comparable(x: Any) -> bool:
    return (
        isinstance(x, Handle | bool | int | float | complex | np.ndarray | np.generic) or type(x).__name__ == "SymInt"
    )


def to_dtype(input: Tensor, kind: Any) -> Tensor:
    """`input` converted to a dtype."""
    return cast(input, dtypes.of(kind))
