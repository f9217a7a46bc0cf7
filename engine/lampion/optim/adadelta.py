"""Adadelta."""

from __future__ import annotations

from typing import Any

from lampion.ops.analysis import sqrt
from lampion.ops.create import zeros, zeros_like
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, decayed, elementwise
from lampion.tensor import Tensor


class Adadelta(Optimizer):
    """p -= lr * d, d = g sqrt(u + eps) / sqrt(v + eps), v and u running means of g^2 and d^2 (Zeiler 2012)."""

    def __init__(
        self, params: Params, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0, *,
        maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0 <= rho <= 1:
            raise ValueError(f"Adadelta: expected rho from 0 to 1, got {rho}")
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        if not state:
            state.update(step=zeros(()), square_avg=zeros_like(p), acc_delta=zeros_like(p))
        state["step"].add_(1)
        grad = decayed(p, grad, group)
        square = state["square_avg"].mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta = sqrt(state["acc_delta"] + eps) / sqrt(square + eps) * grad
        state["acc_delta"].mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.sub_(delta * group["lr"])
