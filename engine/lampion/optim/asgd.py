"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from lampion.ops.arithmetic import clamp
from lampion.ops.create import ones, zeros, zeros_like
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, decayed, elementwise
from lampion.tensor import Tensor


class ASGD(Optimizer):
    """SGD with step eta = lr / (1 + lambd lr step) ** alpha; `state[p]["ax"]` is the average from step t0 on.

    Polyak and Juditsky 1992. `lambd` is also a decay of the parameters.
    """

    def __init__(
        self, params: Params, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
        weight_decay: float = 0, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero("ASGD", lr=lr, weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "maximize": maximize,
            },
        )  # fmt: skip

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        lr, lambd = group["lr"], group["lambd"]
        if not state:
            state.update(step=zeros(()), eta=ones(()) * lr, mu=ones(()), ax=zeros_like(p))
        step = state["step"].add_(1).double()
        grad = decayed(p, grad, group)
        eta = state["eta"].double()
        p.mul_(1 - eta * lambd).sub_(grad * eta)
        state["ax"].add_((p - state["ax"]) * state["mu"])
        state["eta"].copy_((lr / (1 + lambd * lr * step) ** group["alpha"]).to(state["eta"].dtype))
        state["mu"].copy_((1 / clamp(step - group["t0"], min=1)).to(state["mu"].dtype))
