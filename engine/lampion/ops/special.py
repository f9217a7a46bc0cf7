"""Special functions: gamma, error and Bessel functions with their derivatives, and what is written in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.kernels import bessel, gamma, special
from lampion.ops.analysis import exp, log, log1p, sigmoid, sinc
from lampion.ops.arithmetic import sign
from lampion.ops.comparison import where
from lampion.ops.elementwise import Elementwise, binary, unary, unbroadcast
from lampion.ops.promote import promoted

if TYPE_CHECKING:
    from lampion.tensor import Tensor


# ---- gamma and zeta -------------------------------------------------------------------------------------------------


class Lgamma(Elementwise):
    """log |gamma(x)|"""

    kinds = "f"
    function = gamma.lgamma

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * digamma(x),)


class Digamma(Elementwise):
    """The derivative of log(gamma(x))"""

    kinds = "f"
    function = gamma.digamma

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * polygamma(1, x),)


class Zeta(Elementwise):
    """Hurwitz's zeta function: the sum of (q + k)^-s over k >= 0; differentiable in q"""

    kinds = "f"
    function = gamma.zeta

    def gradient(self, g: Tensor, out: Tensor, s: Tensor, q: Tensor) -> tuple[Any, ...]:
        return (lambda: _unknown("zeta", "its first argument")), (lambda: unbroadcast(-g * s * zeta(s + 1, q), q))


class Gammainc(Elementwise):
    """The lower incomplete gamma function over gamma(a); differentiable in x"""

    kinds = "f"
    function = gamma.gammainc

    def gradient(self, g: Tensor, out: Tensor, a: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (lambda: _unknown("gammainc", "its first argument")), (lambda: unbroadcast(g * _gamma_density(a, x), x))


class Gammaincc(Elementwise):
    """1 - gammainc(a, x); differentiable in x"""

    kinds = "f"
    function = gamma.gammaincc

    def gradient(self, g: Tensor, out: Tensor, a: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (lambda: _unknown("gammaincc", "its first argument")), (
            lambda: unbroadcast(-g * _gamma_density(a, x), x)
        )


def _gamma_density(a: Tensor, x: Tensor) -> Tensor:
    return exp((a - 1) * log(x) - x - lgamma(a))


def _unknown(who: str, argument: str) -> Tensor:
    raise RuntimeError(f"{who}: the derivative with respect to {argument} is not known in closed form; detach it")


# ---- error function -------------------------------------------------------------------------------------------------


class Erfc(Elementwise):
    """1 - erf(x), exact where erf(x) is near 1"""

    kinds = "f"
    function = special.erfc

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * exp(-x * x) * (-2 / math.sqrt(math.pi)),)


class Erfcx(Elementwise):
    """exp(x^2) erfc(x)"""

    kinds = "f"
    function = special.erfcx

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (2 * x * out - 2 / math.sqrt(math.pi)),)


class Erfinv(Elementwise):
    """The inverse of erf; nan outside [-1, 1]"""

    kinds = "f"
    function = special.erfinv

    def gradient(self, g: Tensor, out: Tensor, y: Tensor) -> tuple[Any, ...]:
        return (g * exp(out * out) * (math.sqrt(math.pi) / 2),)


class Ndtri(Elementwise):
    """The number below which a normal one lies with probability p; nan outside [0, 1]"""

    kinds = "f"
    function = special.ndtri

    def gradient(self, g: Tensor, out: Tensor, p: Tensor) -> tuple[Any, ...]:
        return (g * exp(out * out / 2) * math.sqrt(2 * math.pi),)


class LogNdtr(Elementwise):
    """The logarithm of the probability that a normal number lies below x"""

    kinds = "f"
    function = special.log_ndtr

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * exp(-x * x / 2 - out) / math.sqrt(2 * math.pi),)


# ---- Bessel functions -----------------------------------------------------------------------------------------------


class J0(Elementwise):
    """The Bessel function of the first kind of order 0"""

    kinds = "f"
    function = bessel.j0

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g * bessel_j1(x),)


class J1(Elementwise):
    """The Bessel function of the first kind of order 1"""

    kinds = "f"
    function = bessel.j1

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (bessel_j0(x) - _over(out, x, 0.5)),)


class Y0(Elementwise):
    """The Bessel function of the second kind of order 0; -inf at 0, nan below"""

    kinds = "f"
    function = bessel.y0

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (-g * bessel_y1(x),)


class Y1(Elementwise):
    """The Bessel function of the second kind of order 1; -inf at 0, nan below"""

    kinds = "f"
    function = bessel.y1

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (bessel_y0(x) - out / x),)


class I0e(Elementwise):
    """exp(-|x|) times the modified Bessel function of the first kind of order 0"""

    kinds = "f"
    function = bessel.i0e

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (i1e(x) - sign(x) * out),)


class I1e(Elementwise):
    """exp(-|x|) times the modified Bessel function of the first kind of order 1"""

    kinds = "f"
    function = bessel.i1e

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (i0e(x) - sign(x) * out - _over(out, x, 0.5)),)


class K0e(Elementwise):
    """exp(x) times the modified Bessel function of the second kind of order 0; inf at 0, nan below"""

    kinds = "f"
    function = bessel.k0e

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (out - scaled_modified_bessel_k1(x)),)


class K1e(Elementwise):
    """exp(x) times the modified Bessel function of the second kind of order 1; inf at 0, nan below"""

    kinds = "f"
    function = bessel.k1e

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g * (out - scaled_modified_bessel_k0(x) - out / x),)


class AiryAi(Elementwise):
    """The Airy function Ai, a solution of y'' = x y"""

    kinds = "f"
    function = bessel.airy_ai


def _over(out: Tensor, x: Tensor, at_zero: float) -> Tensor:
    """out / x, where its limit at 0 is known."""
    zero = x == 0
    return where(zero, at_zero, out / x.masked_fill(zero, 1))


# ---- functions ------------------------------------------------------------------------------------------------------


lgamma, digamma, erfc, erfcx, erfinv = unary(Lgamma()), unary(Digamma()), unary(Erfc()), unary(Erfcx()), unary(Erfinv())
ndtri, log_ndtr = unary(Ndtri()), unary(LogNdtr())
i0e, i1e, airy_ai = unary(I0e()), unary(I1e()), unary(AiryAi())
bessel_j0, bessel_j1, bessel_y0, bessel_y1 = unary(J0()), unary(J1()), unary(Y0()), unary(Y1())
scaled_modified_bessel_k0, scaled_modified_bessel_k1 = unary(K0e()), unary(K1e())
zeta, gammainc, gammaincc = (
    binary(Zeta(), floating=True), binary(Gammainc(), floating=True), binary(Gammaincc(), floating=True),
)  # fmt: skip

gammaln, psi, expit, igamma, igammac = lgamma, digamma, sigmoid, gammainc, gammaincc


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of `digamma`. Raises RuntimeError for negative n."""
    if n < 0:
        raise RuntimeError(f"polygamma: expected n >= 0, got {n}")
    if n == 0:
        return digamma(input)
    return zeta(float(n + 1), input) * ((-1) ** (n + 1) * float(math.factorial(n)))


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log of the multivariate gamma function: p (p - 1) / 4 log(pi) + sum_j lgamma(x - j / 2), j < p.

    Raises RuntimeError for p < 1.
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: expected p >= 1, got {p}")
    [x] = promoted(input, floating=True)
    steps = promoted(x, np.arange(p) / 2)[1].to(x.dtype)
    return lgamma(x.unsqueeze(-1) - steps).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


multigammaln = mvlgamma


def ndtr(input: Tensor) -> Tensor:
    """The probability that a normal number lies below x."""
    return erfc(input * -math.sqrt(0.5)) / 2


def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind of order 0."""
    return exp(input.abs()) * i0e(input)


def i1(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind of order 1."""
    return exp(input.abs()) * i1e(input)


def modified_bessel_k0(input: Tensor) -> Tensor:
    """The modified Bessel function of the second kind of order 0; inf at 0, nan below."""
    return exp(-input) * scaled_modified_bessel_k0(input)


def modified_bessel_k1(input: Tensor) -> Tensor:
    """The modified Bessel function of the second kind of order 1; inf at 0, nan below."""
    return exp(-input) * scaled_modified_bessel_k1(input)


modified_bessel_i0, modified_bessel_i1 = i0, i1


def spherical_bessel_j0(input: Tensor) -> Tensor:
    """sin(x) / x, 1 at 0"""
    return sinc(input / math.pi)


def entr(input: Tensor) -> Tensor:
    """-x log(x), 0 at 0 and -inf below"""
    [x] = promoted(input, floating=True)
    return where(x < 0, -math.inf, -xlogy(x, x))


def xlogy(input: Any, other: Any) -> Tensor:
    """x log(y), 0 where x is 0 and y is not nan"""
    x, y = promoted(input, other, floating=True)
    nothing = (x == 0) & ((y <= 0) | (y == math.inf))
    return where(nothing, 0.0, x * log(where(nothing, 1.0, y)))


def xlog1py(input: Any, other: Any) -> Tensor:
    """x log(1 + y), 0 where x is 0 and y is not nan"""
    x, y = promoted(input, other, floating=True)
    nothing = (x == 0) & ((y <= -1) | (y == math.inf))
    return where(nothing, 0.0, x * log1p(where(nothing, 0.0, y)))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), of x limited to [eps, 1 - eps]; nan outside [0, 1] without `eps`"""
    [x] = promoted(input, floating=True)
    x = x if eps is None else x.clamp(eps, 1 - eps)
    return log(x / (1 - x))
