"""Parametrizations of weights. PyTorch's `torch.nn.utils.parametrizations`."""

from __future__ import annotations

from lampion.autograd import no_grad
from lampion.nn import functional as F
from lampion.nn.module import Module
from lampion.nn.utils.parametrize import register_parametrization
from lampion.ops.random import randn
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


__all__ = ["SpectralNorm", "WeightNorm", "spectral_norm", "weight_norm"]
