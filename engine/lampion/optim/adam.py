"""Adam, and AdamW by its decoupled weight decay."""

from __future__ import annotations

import math
from typing import Any

from lampion.kernels import updates
from lampion.ops.analysis import expm1, sqrt
from lampion.ops.create import zeros, zeros_like
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, elementwise, fractions
from lampion.tape import Array
from lampion.tensor import Tensor


class Adam(Optimizer):
    """p -= lr * m / (sqrt(v) + eps), m and v running means of g and g^2, corrected for their start at 0.

    Kingma and Ba 2014. `weight_decay` is added to the gradient, or, with `decoupled_weight_decay`, taken off the parameter
    (Loshchilov and Hutter 2017); `amsgrad` takes the largest v so far (Reddi et al. 2018).
    """

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        who = type(self).__name__
        at_least_zero(who, lr=lr, eps=eps, weight_decay=weight_decay)
        fractions(who, beta1=betas[0], beta2=betas[1])
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
                "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
            },
        )  # fmt: skip

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            state.update(step=zeros(()), exp_avg=zeros_like(p), exp_avg_sq=zeros_like(p))
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros_like(p)
        step = state["step"].add_(1).double()
        if group["weight_decay"]:
            if group["decoupled_weight_decay"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
            else:
                grad = grad + p * group["weight_decay"]
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"].copy_(state["max_exp_avg_sq"].maximum(square))
        denominator = sqrt(square) / sqrt(one_minus_power(beta2, step)) + group["eps"]
        p.sub_(mean / denominator * (group["lr"] / one_minus_power(beta1, step)))

    def update_arrays(self, p: Array, grad: Array, group: dict[str, Any], state: dict[str, Array]) -> bool:
        if not state or isinstance(group["lr"], Tensor):
            return False
        state["step"] += 1
        updates.adam(
            p, grad, state["exp_avg"], state["exp_avg_sq"], state.get("max_exp_avg_sq"), float(state["step"]),
            float(group["lr"]), group["betas"], group["eps"], group["weight_decay"], group["decoupled_weight_decay"],
        )  # fmt: skip
        return True


def one_minus_power(beta: float, step: Tensor) -> Any:
    """1 - beta ** step, exact also where the power is close to 1."""
    return -expm1(step * math.log(beta)) if beta else 1.0
