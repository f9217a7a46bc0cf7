"""Special functions that numpy lacks: the error function and its kin, the logistic function."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969) 631-637: coefficients of
# erf on |x| <= 0.46875, of erfc on 0.46875 < |x| <= 4 and of erfc beyond, as (numerator, denominator), highest first.
_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
     8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
_LARGE = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346047e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def in_double(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """Computes in float64 without warnings, and gives the floating point dtype that came in."""

    @wraps(kernel)
    def function(*arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            result = kernel(*[np.asarray(x, dtype=np.float64) for x in arrays])
        kind = arrays[0].dtype
        return np.asarray(result).astype(kind, copy=False) if kind.kind == "f" else np.asarray(result)

    return function


@in_double
def erf(x: Array) -> Array:
    """The error function, to 1e-15 relative."""
    size = np.abs(x)
    small = x * _ratio(_SMALL, np.minimum(size, 0.5) ** 2)
    return np.where(size <= 0.46875, small, np.sign(x) * (1 - _exp_of_square(size) * _tail(size)))


@in_double
def erfc(x: Array) -> Array:
    """1 - erf(x), to 1e-15 relative."""
    size = np.abs(x)
    tail = np.where(size <= 0.46875, 1 - erf(size), _exp_of_square(size) * _tail(size))
    return np.where(x < 0, 2 - tail, tail)


@in_double
def erfcx(x: Array) -> Array:
    """exp(x^2) erfc(x), to 1e-15 relative; inf from where exp(x^2) is."""
    size = np.abs(x)
    tail = np.where(size <= 0.46875, np.exp(size * size) * (1 - erf(size)), _tail(size))
    return np.where(x < 0, 2 / _exp_of_square(size) - tail, tail)


@in_double
def erfinv(y: Array) -> Array:
    """The inverse of erf: Halley's method on erf near 0, Newton's on log(erfc) further out."""
    size = np.abs(y)
    x = size * (np.sqrt(np.pi) / 2)
    for _ in range(4):
        step = (erf(x) - size) * np.exp(x * x) * (np.sqrt(np.pi) / 2)
        x = np.where(size < 0.5, x - step / (1 + x * step), 0)
    return np.copysign(np.where(size < 0.5, x, _erfc_inverse(1 - size)), y)


@in_double
def ndtri(p: Array) -> Array:
    """x at which the normal distribution reaches `p`; nan outside [0, 1]."""
    twice = 2 * np.minimum(p, 1 - p)
    size = np.where(twice > 0.5, erfinv(1 - twice), _erfc_inverse(twice))
    return np.where(p < 0.5, -1, 1) * np.sqrt(2) * size


@in_double
def log_ndtr(x: Array) -> Array:
    """The logarithm of the normal distribution up to `x`."""
    z = x / np.sqrt(2)
    below = np.minimum(z, -0.7)
    return np.where(z < -0.7, np.log(erfcx(-below) / 2) - below * below, np.log1p(-erfc(z) / 2))


def _erfc_inverse(q: Array) -> Array:
    """x >= 0 with erfc(x) = q, for q in [0, 0.5]; nan below."""
    goal = np.log(q)
    x = np.sqrt(np.maximum(-goal - np.log(np.maximum(-goal, 1)) / 2, 0.2))
    for _ in range(8):
        reached = np.log(erfcx(x)) - x * x
        x = np.maximum(x + (reached - goal) * erfcx(x) * (np.sqrt(np.pi) / 2), 0)
    return np.where(q == 0, np.inf, x)


def _tail(size: Array) -> Array:
    """erfcx for arguments of at least 0.46875."""
    size = np.maximum(size, 0.46875)
    square = size * size
    far = (1 / np.sqrt(np.pi) - _ratio(_LARGE, 1 / square) / square) / size
    return np.where(size <= 4, _ratio(_MIDDLE, np.minimum(size, 4)), far)


def _exp_of_square(x: Array) -> Array:
    """exp(-x^2), with x^2 in two parts so that its rounding does not grow with x."""
    coarse = np.where(np.isfinite(x), np.trunc(x * 16) / 16, x)
    fine = np.where(np.isfinite(x), (x - coarse) * (x + coarse), 0)
    return np.exp(-coarse * coarse) * np.exp(-fine)


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    numerator, denominator = coefficients
    return np.asarray(np.polyval(numerator, x) / np.polyval(denominator, x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), for real x without overflow."""
    if x.dtype.kind == "c":
        return np.asarray(1 / (1 + np.exp(-x)))
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e)).astype(x.dtype, copy=False)
