"""Orthogonal polynomials of degree `n`, by their recurrences (Abramowitz and Stegun, Handbook of Mathematical
Functions, 22.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lampion.ops.comparison import where
from lampion.ops.create import ones_like, zeros_like
from lampion.ops.promote import promoted

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Next = Callable[["Tensor", int, "Tensor", "Tensor"], "Tensor"]  # (x, k, p_k, p_(k-1)) -> p_(k+1)


def chebyshev_polynomial_t(input: Any, n: Any) -> Tensor:
    """T: cos(n acos(x))"""
    return _polynomial(input, n, lambda x: x, _chebyshev)


def chebyshev_polynomial_u(input: Any, n: Any) -> Tensor:
    """U: sin((n + 1) a) / sin(a) with a = acos(x)"""
    return _polynomial(input, n, lambda x: 2 * x, _chebyshev)


def chebyshev_polynomial_v(input: Any, n: Any) -> Tensor:
    """V: cos((n + 1/2) a) / cos(a / 2) with a = acos(x)"""
    return _polynomial(input, n, lambda x: 2 * x - 1, _chebyshev)


def chebyshev_polynomial_w(input: Any, n: Any) -> Tensor:
    """W: sin((n + 1/2) a) / sin(a / 2) with a = acos(x)"""
    return _polynomial(input, n, lambda x: 2 * x + 1, _chebyshev)


def shifted_chebyshev_polynomial_t(input: Any, n: Any) -> Tensor:
    """T of 2 x - 1"""
    return _shifted(chebyshev_polynomial_t, input, n)


def shifted_chebyshev_polynomial_u(input: Any, n: Any) -> Tensor:
    """U of 2 x - 1"""
    return _shifted(chebyshev_polynomial_u, input, n)


def shifted_chebyshev_polynomial_v(input: Any, n: Any) -> Tensor:
    """V of 2 x - 1"""
    return _shifted(chebyshev_polynomial_v, input, n)


def shifted_chebyshev_polynomial_w(input: Any, n: Any) -> Tensor:
    """W of 2 x - 1"""
    return _shifted(chebyshev_polynomial_w, input, n)


def hermite_polynomial_h(input: Any, n: Any) -> Tensor:
    """The physicists' H: H_(k+1) = 2 x H_k - 2 k H_(k-1)"""
    return _polynomial(input, n, lambda x: 2 * x, lambda x, k, p, before: 2 * (x * p - k * before))


def hermite_polynomial_he(input: Any, n: Any) -> Tensor:
    """The probabilists' He: He_(k+1) = x He_k - k He_(k-1)"""
    return _polynomial(input, n, lambda x: x, lambda x, k, p, before: x * p - k * before)


def laguerre_polynomial_l(input: Any, n: Any) -> Tensor:
    """L: (k + 1) L_(k+1) = (2 k + 1 - x) L_k - k L_(k-1)"""
    return _polynomial(input, n, lambda x: 1 - x, lambda x, k, p, before: ((2 * k + 1 - x) * p - k * before) / (k + 1))


def legendre_polynomial_p(input: Any, n: Any) -> Tensor:
    """P: (k + 1) P_(k+1) = (2 k + 1) x P_k - k P_(k-1)"""
    return _polynomial(input, n, lambda x: x, lambda x, k, p, before: ((2 * k + 1) * x * p - k * before) / (k + 1))


def _chebyshev(x: Tensor, k: int, p: Tensor, before: Tensor) -> Tensor:
    return 2 * x * p - before


def _shifted(polynomial: Callable[[Any, Any], Tensor], input: Any, n: Any) -> Tensor:
    x, n = promoted(input, n, floating=True)
    return polynomial(2 * x - 1, n)


def _polynomial(input: Any, n: Any, first: Callable[[Tensor], Tensor], following: Next) -> Tensor:
    """Of degree n for every element: 1, `first`, ..., broadcast; 0 for a degree below 0."""
    x, n = promoted(input, n, floating=True)
    degree = n.detach().trunc()
    top = int(degree.max()) if degree.numel() else 0
    before, p = ones_like(x), first(x)
    out = where(degree == 0, before, zeros_like(x))
    for k in range(1, top + 1):
        out = where(degree == k, p, out)
        before, p = p, following(x, k, p, before)
    return out
