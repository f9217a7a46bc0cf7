"""RMSprop."""

from __future__ import annotations

from typing import Any

from lampion.ops.analysis import sqrt
from lampion.ops.create import zeros, zeros_like
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, elementwise
from lampion.tensor import Tensor


class RMSprop(Optimizer):
    """p -= lr * g / (sqrt(v) + eps), v the running mean of g^2 (Hinton 2012); `centered` takes off the squared mean of g."""

    def __init__(
        self, params: Params, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero("RMSprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
                "weight_decay": weight_decay, "maximize": maximize,
            },
        )  # fmt: skip

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state.update(step=zeros(()), square_avg=zeros_like(p))
            if group["momentum"]:
                state["momentum_buffer"] = zeros_like(p)
            if group["centered"]:
                state["grad_avg"] = zeros_like(p)
        state["step"].add_(1)
        if group["weight_decay"]:
            grad = grad + p * group["weight_decay"]
        square = state["square_avg"].mul_(group["alpha"]).addcmul_(grad, grad, value=1 - group["alpha"])
        if group["centered"]:
            mean = state["grad_avg"].lerp_(grad, 1 - group["alpha"])
            square = square - mean * mean
        direction = grad / (sqrt(square) + group["eps"])
        if group["momentum"]:
            direction = state["momentum_buffer"].mul_(group["momentum"]).add_(direction)
        p.sub_(direction * group["lr"])
