"""Determinants of square matrices [..., n, n]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion.ops.complex import conj, imag
from lampion.ops.create import zeros_like
from lampion.ops.decomposition import check_square
from lampion.ops.diagonal import diag_embed
from lampion.ops.matmul import adjoint
from lampion.ops.promote import Op, cast
from lampion.ops.reduce import product_of_others
from lampion.ops.solving import inv
from lampion.ops.spectral import svd
from lampion.symbolic import Spec, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Det(Op):
    """The determinant."""

    def forward(self, x: Any) -> Any:
        return np.asarray(np.linalg.det(x), x.dtype)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape[:-2], x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        """g times the conjugate cofactors: det(A)^* A^-H (Giles), by singular values where A has no inverse."""
        if _is_safe(out, x):
            return (inv(adjoint(x)) * _over(g * conj(out)),)
        u, s, vh = svd(x, False)
        phase = _over(g * conj(det(u) * det(vh)))
        return (u @ diag_embed(cast(product_of_others(s, -1), x.dtype)) @ vh * phase,)


class Slogdet(Op):
    """The determinant's sign (for complex numbers x / |x|) and the logarithm of its size."""

    def forward(self, x: Any) -> Any:
        sign, log = np.linalg.slogdet(x)
        return np.asarray(sign, x.dtype), np.asarray(log, x.real.dtype)

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        return Spec(x.shape[:-2], x.dtype), Spec(x.shape[:-2], np.zeros(0, x.dtype).real.dtype)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        total = cast(g[1], x.dtype) if g[1] is not None else zeros_like(out[0].detach())
        if x.dtype.is_complex and g[0] is not None:
            total = total + 1j * imag(g[0] * conj(out[0]))
        return (inv(adjoint(x)) * _over(total),)


class SignLog(NamedTuple):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


def det(A: Tensor) -> Tensor:  # noqa: N803
    """The determinant of square matrices."""
    check_square("det", A)
    return A[..., 0, 0] if same(A.shape[-1], 1) else Det()(A)


def slogdet(A: Tensor) -> SignLog:  # noqa: N803
    """The sign of the determinant and the logarithm of its size, which does not overflow."""
    check_square("slogdet", A)
    return SignLog(*Slogdet()(A))


def logdet(input: Tensor) -> Tensor:
    """log(det(A)); nan where the determinant is negative."""
    sign, log = slogdet(input)
    if input.dtype.is_complex:
        return sign.log() + log
    return log.masked_fill(sign == -1, math.nan)


def _is_safe(det: Tensor, x: Tensor) -> bool:
    """Whether an inverse is exact enough: the determinant is not tiny beside what the rows' lengths allow (Hadamard)."""
    data, rows = det._value.data, x._value.data
    if not isinstance(data, np.ndarray):
        return True
    bound = np.prod(np.sqrt((np.abs(rows) ** 2).sum(-1)), -1)
    return bool((np.abs(data) > 1e-4 * bound).all())


def _over(x: Tensor) -> Tensor:
    """Numbers [...] as matrices [..., 1, 1]."""
    return x.unsqueeze(-1).unsqueeze(-1)
