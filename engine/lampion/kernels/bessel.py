"""Bessel functions from their integrals.

The trapezoidal rule converges exponentially on periodic integrands and on those that fall off at both ends (L. N. Trefethen
and J. A. C. Weideman, SIAM Review 56 (2014) 385-458), so a few dozen points give float64, and no table is needed. Far out
stand Hankel's expansions (Abramowitz and Stegun, Handbook of Mathematical Functions, 9.2.5 and 9.7.1).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from lampion.kernels.special import Array, in_double

FAR = 25.0  # from here on Hankel's expansions have more digits than float64
EULER = 0.57721566490153286061
_ANGLES = (np.arange(64) + 0.5) * (np.pi / 128)  # a quarter of the circle: the integrands repeat


@in_double
def j0(x: Array) -> Array:
    """The Bessel function of the first kind of order 0."""
    size = np.abs(x)
    return np.where(size < FAR, _mean(_near(size), np.sin, 1.0), _wave(size, 0, 0.0))


@in_double
def j1(x: Array) -> Array:
    """The Bessel function of the first kind of order 1."""
    size = np.abs(x)
    near = x * _mean(_near(size), np.cos, np.sin(_ANGLES) ** 2)
    return np.where(size < FAR, near, np.sign(x) * _wave(size, 1, 0.0))


@in_double
def y0(x: Array) -> Array:
    """The Bessel function of the second kind of order 0; -inf at 0, nan below. Neumann's series (A&S 9.1.88) near 0."""
    terms = sum((-1) ** k / k * np.cos(2 * k * _ANGLES) for k in range(1, 50))
    near = (np.log(x / 2) + EULER) * j0(x) - 2 * _mean(_near(x), np.sin, terms)
    return _of_positive(x, np.where(x < FAR, 2 / np.pi * near, _wave(x, 0, np.pi / 2)), -np.inf)


@in_double
def y1(x: Array) -> Array:
    """The Bessel function of the second kind of order 1; -inf at 0, nan below. Neumann's series (A&S 9.1.88) near 0."""
    weights = sum((-1) ** k * (2 * k + 1) / (k * (k + 1)) * np.sin((2 * k + 1) * _ANGLES) for k in range(1, 50))
    odd = _mean_of(np.sin(_near(x)[..., None] * np.sin(_ANGLES)), weights)
    near = (np.log(x / 2) + EULER - 1) * j1(x) - j0(x) / x - odd
    return _of_positive(x, np.where(x < FAR, 2 / np.pi * near, _wave(x, 1, np.pi / 2)), -np.inf)


@in_double
def i0e(x: Array) -> Array:
    """exp(-|x|) times the modified Bessel function of the first kind of order 0."""
    size = np.abs(x)
    near = _mean_of(*_growth(size))
    return np.where(size < FAR, near, _decay(size, 0, -1) / np.sqrt(2 * np.pi * size))


@in_double
def i1e(x: Array) -> Array:
    """exp(-|x|) times the modified Bessel function of the first kind of order 1."""
    size = np.abs(x)
    growth, _ = _growth(size)
    near = size * _mean_of(growth, np.sin(_ANGLES) ** 2)
    return np.sign(x) * np.where(size < FAR, near, _decay(size, 1, -1) / np.sqrt(2 * np.pi * size))


@in_double
def k0e(x: Array) -> Array:
    """exp(x) times the modified Bessel function of the second kind of order 0; inf at 0, nan below."""
    square, small = _series_argument(x)
    term, harmonic, total = np.ones_like(x), 0.0, np.zeros_like(x)
    for k in range(1, 16):
        term, harmonic = term * square / (k * k), harmonic + 1 / k
        total = total + term * harmonic
    series = np.exp(small) * (total - (np.log(small / 2) + EULER) * np.exp(small) * i0e(small))
    return _of_positive(x, np.where(x <= 1, series, _of_cosh(x, 0)), np.inf)


@in_double
def k1e(x: Array) -> Array:
    """exp(x) times the modified Bessel function of the second kind of order 1; inf at 0, nan below."""
    square, small = _series_argument(x)
    term, digammas, total = np.ones_like(x), 1 - 2 * EULER, np.zeros_like(x)
    for k in range(1, 17):
        total = total + term * digammas
        term, digammas = term * square / (k * (k + 1)), digammas + 1 / k + 1 / (k + 1)
    series = 1 / small + np.log(small / 2) * np.exp(small) * i1e(small) - small / 4 * total
    return _of_positive(x, np.where(x <= 1, np.exp(small) * series, _of_cosh(x, 1)), np.inf)


@in_double
def airy_ai(x: Array) -> Array:
    """The Airy function Ai: Maclaurin's series near 0, Gauss and Laguerre's rule on its integral further out.

    A. Gil, J. Segura and N. M. Temme, Algorithm 819, ACM Trans. Math. Softw. 28 (2002) 325-336.
    """
    size = np.where(np.abs(x) < 2, 2.0, np.abs(x))
    right = _airy_integral(size + 0j).real
    turn = np.exp(1j * np.pi / 3)
    left = 2 * (turn * _airy_integral(size * turn)).real
    far = np.where(np.isinf(x), 0.0, np.where(x > 0, right, left))
    return np.where(np.abs(x) < 2, _airy_series(np.clip(x, -2, 2)), far)


# ---- integrals ------------------------------------------------------------------------------------------------------


def _near(size: Array) -> Array:
    return np.where(size < FAR, size, 0.0)


def _mean(x: Array, swing: Any, weights: Any) -> Array:
    """The mean over a turn of cos(x swing(angle)) weights(angle)."""
    return _mean_of(np.cos(x[..., None] * swing(_ANGLES)), weights)


def _mean_of(values: Array, weights: Any) -> Array:
    return np.asarray((values * weights).mean(-1))


def _growth(size: Array) -> tuple[Array, Array]:
    """exp(x cos(angle) - x), averaged with its mirror image."""
    x = _near(size)[..., None]
    swing = np.cos(_ANGLES)
    return (np.exp(x * (swing - 1)) + np.exp(-x * (swing + 1))) / 2, np.ones(1)


def _of_cosh(x: Array, order: float) -> Array:
    """The integral of exp(-x (cosh(t) - 1)) cosh(order t) over t > 0."""
    size = np.where(x > 0, x, 1.0)
    end = np.arccosh(1 + 40 / size)[..., None]
    t = end * np.linspace(0, 1, 33)
    values = np.exp(-size[..., None] * 2 * np.sinh(t / 2) ** 2) * np.cosh(order * t)
    return np.asarray((values.sum(-1) - values[..., 0] / 2) * end[..., 0] / 32)


def _series_argument(x: Array) -> tuple[Array, Array]:
    small = np.where((x > 0) & (x <= 1), x, 1.0)
    return small * small / 4, small


def _airy_integral(z: Array) -> Array:
    """Ai(z) for |z| >= 2 right of the negative axis (NIST DLMF 9.5.8)."""
    nodes, weights = _laguerre()
    zeta = 2 / 3 * z * np.sqrt(z)
    total = ((2 + nodes / zeta[..., None]) ** (-1 / 6) * weights).sum(-1)
    return np.asarray(np.exp(-zeta) * zeta ** (-1 / 6) / (np.sqrt(np.pi) * 48 ** (1 / 6) * GAMMA_5_6) * total)


GAMMA_5_6 = 1.12878702990812596126  # gamma(5 / 6)


@cache
def _laguerre() -> tuple[Array, Array]:
    """Nodes and weights for the integral of t^(-1/6) exp(-t) f(t) over t > 0 (Golub and Welsch)."""
    k = np.arange(40.0)
    side = np.sqrt(k[1:] * (k[1:] - 1 / 6))
    nodes, vectors = np.linalg.eigh(np.diag(2 * k + 5 / 6) + np.diag(side, 1) + np.diag(side, -1))
    return nodes, GAMMA_5_6 * vectors[0] ** 2


def _airy_series(x: Array) -> Array:
    """NIST DLMF 9.4.1"""
    even, odd = np.ones_like(x), x
    total = 0.35502805388781723926 * even - 0.25881940379280679840 * odd
    for k in range(1, 16):
        even = even * x**3 / ((3 * k - 1) * (3 * k))
        odd = odd * x**3 / ((3 * k) * (3 * k + 1))
        total = total + 0.35502805388781723926 * even - 0.25881940379280679840 * odd
    return total


# ---- far out --------------------------------------------------------------------------------------------------------


def _hankel(x: Array, order: int) -> list[Array]:
    """The terms a_k / x^k of Hankel's expansions."""
    x = np.maximum(x, FAR)
    terms = [np.ones_like(x)]
    for k in range(1, 26):
        terms.append(terms[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k * x))
    return terms


def _wave(x: Array, order: int, behind: float) -> Array:
    """sqrt(2 / (pi x)) times a cosine of x, `behind` by so much."""
    terms = _hankel(x, order)
    p = sum((-1) ** i * t for i, t in enumerate(terms[::2]))
    q = sum((-1) ** i * t for i, t in enumerate(terms[1::2]))
    phase = np.where(np.isfinite(x), x, 0.0) - order * np.pi / 2 - np.pi / 4 - behind
    wave = np.sqrt(2 / (np.pi * np.maximum(x, FAR))) * (p * np.cos(phase) - q * np.sin(phase))
    return np.where(np.isinf(x), 0.0, np.where(np.isnan(x), np.nan, wave))


def _decay(x: Array, order: int, sign: int) -> Array:
    return np.asarray(sum(sign**k * t for k, t in enumerate(_hankel(x, order))))


def _of_positive(x: Array, value: Array, at_zero: float) -> Array:
    return np.where(x > 0, value, np.where(x == 0, at_zero, np.nan))
