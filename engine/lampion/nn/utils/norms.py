"""Weight norm and spectral norm with the keys of older checkpoints: weight_g and weight_v, weight_orig and weight_u."""

from __future__ import annotations

from typing import Any

from lampion.autograd import no_grad
from lampion.nn import functional as F
from lampion.nn.module import Module
from lampion.nn.parameter import Parameter
from lampion.nn.utils.parametrizations import norm_except
from lampion.ops.random import randn
from lampion.tensor import Tensor


class _Hook:
    """Base: computes the tensor `name` before every call of its module."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module) -> Tensor:
        """The tensor."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method `compute`, found none; define it")

    def __call__(self, module: Module, inputs: Any) -> None:
        object.__setattr__(module, self.name, self.compute(module))

    @classmethod
    def of(cls, module: Module, name: str) -> tuple[int, Any]:
        """The hook on `name` with its key. Raises ValueError where there is none."""
        for key, (hook, *_) in module._module_hooks.before.items():
            if isinstance(hook, cls) and hook.name == name:
                return key, hook
        raise ValueError(f"{cls.__name__}: not found on {name!r} of {type(module).__name__}")

    def removed(self, module: Module, key: int, *names: str) -> None:
        """The present value becomes the parameter; `names` go."""
        value = self.compute(module).detach()
        module.__dict__.pop(self.name, None)
        for name in names:
            delattr(module, name)
        del module._module_hooks.before[key]
        module.register_parameter(self.name, Parameter(value))


class WeightNorm(_Hook):
    """weight = weight_g * weight_v / |weight_v|"""

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Tensor:
        v: Tensor = getattr(module, self.name + "_v")
        return v * (getattr(module, self.name + "_g") / norm_except(v, self.dim))


class SpectralNorm(_Hook):
    """weight = weight_orig / (u^T weight_orig v)"""

    def __init__(self, name: str, times: int, dim: int, eps: float) -> None:
        super().__init__(name)
        self.times, self.dim, self.eps = times, dim, eps

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight with its outputs in front."""
        return weight.movedim(self.dim, 0).flatten(1)

    def compute(self, module: Module) -> Tensor:
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        matrix = self.matrix(weight)
        if module.training:
            with no_grad():
                for _ in range(self.times):
                    v.copy_(F.normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix.mv(v), dim=0, eps=self.eps))
        out: Tensor = weight / u.clone().dot(matrix.mv(v.clone()))
        return out


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """The weight as magnitude times direction, kept as name_g and name_v (Salimans and Kingma 2016).

    `lampion.nn.utils.parametrizations.weight_norm` does it without hooks.
    """
    weight = getattr(module, name)
    hook = WeightNorm(name, dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(norm_except(weight.detach(), dim)))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Takes `weight_norm` off; the weight is a parameter again."""
    key, hook = WeightNorm.of(module, name)
    hook.removed(module, key, name + "_g", name + "_v")
    return module


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """The weight over its largest singular value, with name_orig, name_u and name_v kept (Miyato et al. 2018).

    `lampion.nn.utils.parametrizations.spectral_norm` does it without hooks.
    """
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    weight = getattr(module, name).detach()
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    rows, columns = hook.matrix(weight).shape
    delattr(module, name)
    module.register_parameter(name + "_orig", Parameter(weight))
    module.register_buffer(name + "_u", F.normalize(randn(rows, dtype=weight.dtype), dim=0, eps=eps))
    module.register_buffer(name + "_v", F.normalize(randn(columns, dtype=weight.dtype), dim=0, eps=eps))
    object.__setattr__(module, name, weight)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Takes `spectral_norm` off; the weight is a parameter again."""
    key, hook = SpectralNorm.of(module, name)
    with no_grad():
        hook.removed(module, key, name + "_orig", name + "_u", name + "_v")
    return module
