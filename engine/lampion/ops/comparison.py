"""Comparison, logic and choice, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.ops.elementwise import Elementwise, binary, unary, unbroadcast
from lampion.ops.promote import promoted
from lampion.symbolic import Spec, Symbolic, broadcast_shapes
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


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

    kinds = "biuf"
    function = np.less


class Le(Comparison):
    """x <= y"""

    kinds = "biuf"
    function = np.less_equal


class Gt(Comparison):
    """x > y"""

    kinds = "biuf"
    function = np.greater


class Ge(Comparison):
    """x >= y"""

    kinds = "biuf"
    function = np.greater_equal


class And(Elementwise):
    """Logical and for bool, bitwise for integers"""

    kinds = "biu"
    function = np.bitwise_and


class Or(Elementwise):
    """Logical or for bool, bitwise for integers"""

    kinds = "biu"
    function = np.bitwise_or


class Xor(Elementwise):
    """Logical exclusive or for bool, bitwise for integers"""

    kinds = "biu"
    function = np.bitwise_xor


class Not(Elementwise):
    """Logical not for bool, bitwise for integers"""

    kinds = "biu"
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


# ---- functions ------------------------------------------------------------------------------------------------------


_EQ, _NE = Eq(), Ne()

lt, le, gt, ge = binary(Lt()), binary(Le()), binary(Gt()), binary(Ge())
bitwise_and, bitwise_or, bitwise_xor = binary(And()), binary(Or()), binary(Xor())
bitwise_not = unary(Not(), floating=False)
isnan, isinf = unary(IsNan()), unary(IsInf())


less, less_equal, greater, greater_equal = lt, le, gt, ge


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


not_equal = ne


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where the condition (bool) holds, else other; of the condition alone the indices where it holds, a vector a dim."""
    if input is None:
        return condition.nonzero(as_tuple=True)
    if condition._value.data.dtype != np.bool_:
        raise RuntimeError(f"where: expected condition of dtype bool, got {condition.dtype}")
    x, y = promoted(input, other)
    return Where()(condition, x, y)


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


def isfinite(input: Tensor) -> Tensor:
    """Whether the element is neither infinite nor nan."""
    return logical_not(logical_or(isnan(input), isinf(input)))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """|input - other| <= atol + rtol * |other|, equal infinities too, and two nans with `equal_nan`"""
    x, y = promoted(input, other)
    near = isfinite(y) & ((x - y).abs() <= y.abs() * rtol + atol)
    close = eq(x, y) | near
    return close | (isnan(x) & isnan(y)) if equal_nan else close


def _comparable(x: Any) -> bool:
    return isinstance(x, Handle | bool | int | float | complex | np.ndarray | np.generic | Symbolic)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere, as a Python bool."""
    return isclose(input, other, rtol, atol, equal_nan).all().item()


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shape and every element are equal, as a Python bool."""
    return tuple(input.shape) == tuple(other.shape) and eq(input, other).all().item()
