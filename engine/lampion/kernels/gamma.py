"""The gamma function and its kin, from Stirling's series and Euler and Maclaurin's formula.

Arguments are raised to at least 10 by recurrence, where the series in Bernoulli numbers are exact to float64
(Abramowitz and Stegun, Handbook of Mathematical Functions, 6.1.40, 6.3.18, 23.2; NIST DLMF 25.11.43 for zeta).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lampion.kernels.special import Array, in_double

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
TURNS = 10_000  # of a series or fraction, at most


@in_double
def lgamma(x: Array) -> Array:
    """log |gamma(x)|; inf at 0, -1, -2, ..."""
    size = np.where(x < 0.5, 1 - x, x)
    log_gamma = _log_gamma(size)
    mirrored = np.log(np.pi) - np.log(np.abs(_sin_pi(x))) - log_gamma
    return np.where(np.isinf(x), np.inf, np.where(x < 0.5, mirrored, log_gamma))


@in_double
def digamma(x: Array) -> Array:
    """The derivative of lgamma; -inf at 0 (inf at -0), nan at -1, -2, ..."""
    size = np.where(x < 0.5, 1 - x, x)
    total = np.zeros_like(size)
    for i in range(10):
        total -= np.where(size < 10 - i, 1 / size, 0)
        size = np.where(size < 10 - i, size + 1, size)
    series = sum(b / (2 * k * size ** (2 * k)) for k, b in enumerate(BERNOULLI, 1))
    value = total + np.log(size) - 1 / (2 * size) - series
    value = np.where(x < 0.5, value - np.pi / np.tan(np.pi * (x - np.round(x))), value)
    pole = (x < 0) & (x == np.floor(x))
    return np.where(pole, np.nan, np.where(x == 0, np.copysign(np.inf, -x), value))


@in_double
def zeta(s: Array, q: Array) -> Array:
    """sum_k (q + k)^-s; inf for s = 1 and q = 0, -1, ...; nan for s < 1 and for powers of negative numbers."""
    s, q = np.broadcast_arrays(s, q)
    total, base = np.zeros(s.shape), q.astype(np.float64)
    while np.any(base < 10):
        total = total + np.where(base < 10, base**-s, 0)
        base = np.where(base < 10, base + 1, base)
    total = total + base ** (1 - s) / (s - 1) + base**-s / 2
    term = s * base ** (-s - 1)
    for k, b in enumerate(BERNOULLI, 1):
        total = total + b * term / math.factorial(2 * k)
        term = term * (s + 2 * k - 1) * (s + 2 * k) / (base * base)
    total = np.where(np.isinf(q) & (q > 0), 0.0, total)
    pole = (q <= 0) & (q == np.floor(q))
    outside = (s < 1) | ((q < 0) & (s != np.floor(s)) & ~pole)
    return np.where(outside, np.nan, np.where((s == 1) | pole, np.inf, total))


@in_double
def gammainc(a: Array, x: Array) -> Array:
    """The lower incomplete gamma function over gamma(a), from 0 to 1; nan for negative arguments."""
    return _incomplete(a, x, lower=True)


@in_double
def gammaincc(a: Array, x: Array) -> Array:
    """1 - gammainc(a, x)"""
    return _incomplete(a, x, lower=False)


def _log_gamma(x: Array) -> Array:
    """For x >= 0.5."""
    product = np.ones_like(x)
    for i in range(10):
        product = np.where(x < 10 - i, product * x, product)
        x = np.where(x < 10 - i, x + 1, x)
    return (x - 0.5) * np.log(x) - x + math.log(2 * math.pi) / 2 + _stirling(x) - np.log(product)


def _stirling(x: Array) -> Array:
    """log(gamma(x)) less its leading terms, for x >= 10."""
    return np.asarray(sum(b / (2 * k * (2 * k - 1) * x ** (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1)))


def _sin_pi(x: Array) -> Array:
    """sin(pi x) up to its sign, 0 at integers."""
    return np.sin(np.pi * (x - np.round(x)))


def _incomplete(a: Array, x: Array, lower: bool) -> Array:
    """By the series where x < a + 1, by the continued fraction elsewhere (A&S 6.5.29, 6.5.31)."""
    a, x = np.broadcast_arrays(a, x)
    plain = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    safe_a, safe_x = np.where(plain, a, 1.0), np.where(plain, x, 1.0)
    near = safe_x < safe_a + 1
    scale = _scale(safe_a, safe_x)
    below = scale * _series(safe_a, np.where(near, safe_x, 0.5))
    above = scale * safe_a * _fraction(safe_a, np.where(near, safe_a + 2, safe_x))
    value = np.where(near, below, 1 - above) if lower else np.where(near, 1 - below, above)
    zero, one = (0.0, 1.0) if lower else (1.0, 0.0)
    limits: list[tuple[Any, float]] = [
        ((a < 0) | (x < 0) | np.isnan(a) | np.isnan(x) | ((a == 0) & (x == 0)) | (np.isinf(a) & np.isinf(x)), np.nan),
        (plain, 0.0), ((a == 0) | np.isinf(x), one), ((x == 0) | np.isinf(a), zero),
    ]  # fmt: skip
    limit = np.select([where for where, _ in limits], [number for _, number in limits], np.nan)
    return np.where(plain, value, limit)


def _scale(a: Array, x: Array) -> Array:
    """x^a exp(-x) / gamma(a + 1)"""
    large = np.maximum(a, 10)
    ratio = (x - large) / large
    exponent = np.where(np.abs(ratio) < 0.1, _log1p_less(ratio), np.log(x / large) - ratio)
    far = np.exp(large * exponent - _stirling(large)) / np.sqrt(2 * np.pi * large)
    return np.where(a < 10, np.exp(a * np.log(x) - x - lgamma(a + 1)), far)


def _log1p_less(t: Array) -> Array:
    """log(1 + t) - t for |t| < 0.1, without cancellation."""
    return np.asarray(sum((-1) ** (k + 1) * t**k / k for k in range(2, 18)))


def _series(a: Array, x: Array) -> Array:
    """sum_k x^k / ((a + 1) ... (a + k))"""
    term, total = np.ones(np.shape(a)), np.ones(np.shape(a))
    for k in range(1, TURNS):
        term = term * x / (a + k)
        total = total + term
        if np.all(term <= 1e-17 * total):
            break
    return total


def _fraction(a: Array, x: Array) -> Array:
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)), by Lentz's method."""
    b = x + 1 - a
    tiny = 1e-300
    c, d = np.full(np.shape(a), 1 / tiny), 1 / b
    value = d
    for k in range(1, TURNS):
        step = -k * (k - a)
        b = b + 2
        d = step * d + b
        c = b + step / c
        d = 1 / np.where(d == 0, tiny, d)
        c = np.where(c == 0, tiny, c)
        value = value * d * c
        if np.all(np.abs(d * c - 1) < 1e-16):
            break
    return np.asarray(value)
