"""Adam's relatives: NAdam, RAdam and Adamax."""

from __future__ import annotations

from typing import Any

from lampion.ops.analysis import sqrt
from lampion.ops.comparison import where
from lampion.ops.create import ones, zeros, zeros_like
from lampion.optim.adam import one_minus_power
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, decayed, elementwise, fractions
from lampion.tensor import Tensor


class _Relative(Optimizer):
    """Base: what all three check."""

    def __init__(self, params: Params, **settings: Any) -> None:
        who = type(self).__name__
        at_least_zero(who, lr=settings["lr"], eps=settings["eps"], weight_decay=settings["weight_decay"])
        fractions(who, beta1=settings["betas"][0], beta2=settings["betas"][1])
        super().__init__(params, settings)


class NAdam(_Relative):
    """Adam with Nesterov's momentum, whose share mu = beta1 (1 - 0.96 ** (step momentum_decay) / 2) grows (Dozat 2016)."""

    def __init__(
        self, params: Params, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
        maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero("NAdam", momentum_decay=momentum_decay)
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            state.update(step=zeros(()), mu_product=ones(()), exp_avg=zeros_like(p), exp_avg_sq=zeros_like(p))
        step, lr = state["step"].add_(1).double(), group["lr"]
        grad = decayed(p, grad, group)
        mu = beta1 * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"]))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * group["momentum_decay"]))
        product = state["mu_product"].mul_(mu).double()
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = sqrt(square / one_minus_power(beta2, step)) + group["eps"]
        p.sub_(grad / denominator * (lr * (1 - mu) / (1 - product)))
        p.sub_(mean / denominator * (lr * mu_next / (1 - product * mu_next)))


class RAdam(_Relative):
    """Adam that trusts the running mean of g^2 only as far as the steps so far allow (Liu et al. 2019)."""

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, decoupled_weight_decay: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize,
        )  # fmt: skip

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            state.update(step=zeros(()), exp_avg=zeros_like(p), exp_avg_sq=zeros_like(p))
        step = state["step"].add_(1).double()
        grad = decayed(p, grad, group)
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        correction = one_minus_power(beta2, step)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction
        trusted = length > 5
        share = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        adaptive = sqrt(where(trusted, share, 0.0) * correction) / (sqrt(square) + group["eps"])
        direction = where(trusted, adaptive, 1.0) * mean
        p.sub_(direction * (group["lr"] / one_minus_power(beta1, step)))


class Adamax(_Relative):
    """p -= lr / (1 - beta1 ** step) * m / u, u the largest |g| so far, decaying by beta2 (Kingma and Ba 2014)."""

    def __init__(
        self, params: Params, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            state.update(step=zeros(()), exp_avg=zeros_like(p), exp_inf=zeros_like(p))
        step = state["step"].add_(1).double()
        grad = decayed(p, grad, group)
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        largest = state["exp_inf"].copy_((state["exp_inf"] * beta2).maximum(grad.abs() + group["eps"]))
        p.sub_(mean / largest * (group["lr"] / one_minus_power(beta1, step)))
