"""Adagrad."""

from __future__ import annotations

from typing import Any

from lampion.ops.analysis import sqrt
from lampion.ops.create import full_like, zeros
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, elementwise
from lampion.tensor import Tensor


class Adagrad(Optimizer):
    """p -= lr / (1 + (step - 1) lr_decay) * g / (sqrt(s) + eps), s the sum of all g^2 (Duchi et al. 2011)."""

    def __init__(
        self, params: Params, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero(
            "Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps,
            initial_accumulator_value=initial_accumulator_value,
        )  # fmt: skip
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
            },
        )  # fmt: skip

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state.update(step=zeros(()), sum=full_like(p, group["initial_accumulator_value"]))
        rate = group["lr"] / (1 + state["step"].double() * group["lr_decay"])
        state["step"].add_(1)
        if group["weight_decay"]:
            grad = grad + p * group["weight_decay"]
        total = state["sum"].addcmul_(grad, grad)
        p.sub_(grad / (sqrt(total) + group["eps"]) * rate)
