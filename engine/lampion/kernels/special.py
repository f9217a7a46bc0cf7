"""Special functions that numpy lacks."""

from __future__ import annotations

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


def erf(x: Array) -> Array:
    """The error function, to 1e-15 relative in float64."""
    x64 = np.asarray(x, dtype=np.float64)
    size = np.abs(x64)
    result = x64 * _ratio(_SMALL, np.minimum(size, 0.5) ** 2)
    large = size > 0.46875
    if large.any():
        result = np.where(large, np.sign(x64) * (1 - _erfc(np.maximum(size, 0.46875))), result)
    return result.astype(x.dtype) if x.dtype.kind == "f" else result


def _erfc(size: Array) -> Array:
    """erfc for arguments of at least 0.46875."""
    size = np.minimum(size, 27.0)
    square = size * size
    tail = (1 / np.sqrt(np.pi) - _ratio(_LARGE, 1 / square) / square) / size
    return np.exp(-square) * np.where(size <= 4, _ratio(_MIDDLE, np.minimum(size, 4)), tail)


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    numerator, denominator = coefficients
    return np.asarray(np.polyval(numerator, x) / np.polyval(denominator, x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), for real x without overflow."""
    if x.dtype.kind == "c":
        return np.asarray(1 / (1 + np.exp(-x)))
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e)).astype(x.dtype, copy=False)
