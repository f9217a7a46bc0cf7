"""Parametrizations of weights. PyTorch's `torch.nn.utils.parametrizations`."""

from __future__ import annotations

from lampion.autograd import no_grad
from lampion.dtypes import finfo
from lampion.nn import functional as F
from lampion.nn.module import Module
from lampion.nn.utils.parametrize import register_parametrization
from lampion.ops.comparison import where
from lampion.ops.create import eye
from lampion.ops.decomposition import geqrf, qr
from lampion.ops.linalg import householder_product, matrix_exp
from lampion.ops.random import randn
from lampion.ops.shape import cat
from lampion.ops.solving import solve
from lampion.tensor import Tensor


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """The weight as magnitude g times direction v / |v|, the norm over all dims but `dim` (Salimans and Kingma 2016)."""
    return register_parametrization(module, name, WeightNorm(dim), unsafe=True)


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """The weight over its largest singular value, by power iteration while training (Miyato et al. 2018).

    `dim` is that of the outputs: 1 for transposed convolutions, else 0.
    """
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, SpectralNorm(getattr(module, name), n_power_iterations, dim, eps))


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """The weight as a matrix with orthonormal columns (rows, where it is wide), whatever the optimizer does.

    `orthogonal_map` is "matrix_exp" (by default of square or complex weights), "cayley" or "householder" (of others).
    `use_trivialization` maps around the weight as it is now (M. Lezcano-Casado, arXiv:1909.09501). Raises ValueError for a
    weight without two dims, or another map.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor) or weight.ndim < 2:
        got = list(weight.shape) if isinstance(weight, Tensor) else type(weight).__name__
        raise ValueError(f"orthogonal: expected a matrix or a batch of them as {name!r}, got {got}")
    if orthogonal_map is None:
        square = weight.shape[-1] == weight.shape[-2] or weight.is_complex()
        orthogonal_map = "matrix_exp" if square else "householder"
    return register_parametrization(module, name, Orthogonal(weight, orthogonal_map, use_trivialization), unsafe=True)


class WeightNorm(Module):
    """g v / |v|"""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """g and v of a weight."""
        return norm_except(weight, self.dim), weight


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The 2-norm over all dims but `dim`, which keep size 1; over all, without dims, for None and -1."""
    if dim is None or dim == -1:
        return v.norm(2)
    return v.norm(2, [d for d in range(v.ndim) if d != dim % v.ndim], keepdim=True)


class SpectralNorm(Module):
    """weight / sigma, where sigma = u^T W v for singular vectors u and v that follow the weight."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if n_power_iterations < 1:
            raise ValueError(f"spectral_norm: expected n_power_iterations of at least 1, got {n_power_iterations}")
        self.dim, self.eps, self.n_power_iterations = dim % max(weight.ndim, 1), eps, n_power_iterations
        if weight.ndim > 1:
            matrix = self._matrix(weight.detach())
            rows, columns = matrix.shape
            self.register_buffer("_u", F.normalize(randn(rows, dtype=weight.dtype), dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(randn(columns, dtype=weight.dtype), dim=0, eps=eps))
            self._iterate(matrix, 15)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # a second call before backward must not change them
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself, so that it may be assigned."""
        return value

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    @no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        for _ in range(times):
            self._u.copy_(F.normalize(matrix.mv(self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.t().mv(self._u), dim=0, eps=self.eps))


class Orthogonal(Module):
    """base Q(X), where Q is exp or Cayley's (1 + A/2) (1 - A/2)^-1 of A = X - X^H, or a product of reflections by X's columns.

    Of X only the lower triangle counts; for reflections the signs of its diagonal are those of Q's columns.
    """

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool = True) -> None:
        super().__init__()
        if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
            raise ValueError(
                f"orthogonal: expected orthogonal_map 'matrix_exp', 'cayley' or 'householder', got {orthogonal_map!r}"
            )
        if orthogonal_map == "householder" and weight.is_complex():
            raise ValueError("orthogonal: 'householder' takes no complex weight; use 'matrix_exp' or 'cayley'")
        self.orthogonal_map, self.use_trivialization, self.shape = (
            orthogonal_map,
            use_trivialization,
            tuple(weight.shape),
        )
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:  # noqa: N803
        tall = X if X.shape[-2] >= X.shape[-1] else X.mT
        q = self._reflections(tall) if self.orthogonal_map == "householder" else self._turn(tall)
        if self.use_trivialization and self.base is not None:
            q = self.base @ q
        return q if tall is X else q.mT

    def _turn(self, x: Tensor) -> Tensor:
        n, k = x.shape[-2:]
        square = cat([x.tril(), x.new_zeros(*x.shape[:-2], n, n - k)], -1)
        skew = square - square.mH
        if self.orthogonal_map == "matrix_exp":
            return matrix_exp(skew)[..., :k]
        one = eye(n, dtype=x.dtype)
        return solve(one - skew / 2, one + skew / 2)[..., :k]

    def _reflections(self, x: Tensor) -> Tensor:
        lower = x.tril(-1)
        signs = x.detach().diagonal(dim1=-2, dim2=-1).int()
        return householder_product(lower, 2 / (1 + (lower * lower).sum(-2))) * signs.unsqueeze(-2)

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:  # noqa: N803
        """An X that gives Q, or the orthonormal matrix nearest by its QR decomposition. Raises ValueError for another shape."""
        if tuple(Q.shape) != self.shape:
            raise ValueError(f"orthogonal: expected shape {list(self.shape)}, got {list(Q.shape)}")
        tall = Q if Q.shape[-2] >= Q.shape[-1] else Q.mT
        if not self.use_trivialization:
            x = self._columns(tall)
            return x if tall is Q else x.mT
        n, k = tall.shape[-2:]
        whole = tall if n == k else cat([tall, randn(*tall.shape[:-2], n, n - k, dtype=tall.dtype)], -1)
        self.base = whole.clone() if n == k and _is_orthogonal(whole) else _made_orthogonal(whole)
        return -eye(*Q.shape[-2:], dtype=Q.dtype).expand(Q.shape).clone()

    def _columns(self, q: Tensor) -> Tensor:
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                f"orthogonal: with {self.orthogonal_map!r} a weight can be assigned only if use_trivialization=True"
            )
        compact, tau = geqrf(q)
        signs = compact.diagonal(dim1=-2, dim2=-1).sign()
        signs = where(tau == 0, -signs, signs)  # LAPACK's tau is exactly 0 where it does not reflect
        compact.diagonal(dim1=-2, dim2=-1).copy_(signs)
        return compact


def _is_orthogonal(q: Tensor) -> bool:
    """Whether Q^H Q is 1 up to rounding."""
    k = q.shape[-1]
    eps = float(finfo(q.dtype).eps)
    return bool(((q.mH @ q - eye(k, dtype=q.dtype)).abs() < 10 * k * eps).all())


def _made_orthogonal(x: Tensor) -> Tensor:
    """Q of the QR decomposition whose R has a positive diagonal."""
    q, r = qr(x)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


__all__ = ["Orthogonal", "SpectralNorm", "WeightNorm", "orthogonal", "spectral_norm", "weight_norm"]
