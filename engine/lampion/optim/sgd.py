"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from lampion.kernels import updates
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, elementwise
from lampion.tape import Array
from lampion.tensor import Tensor


class SGD(Optimizer):
    """p -= lr * g, with g += weight_decay * p, and with momentum b = momentum * b + (1 - dampening) * g in place of g.

    `nesterov` takes g + momentum * b (Sutskever et al. 2013).
    """

    def __init__(
        self, params: Params, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and no dampening")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                "nesterov": nesterov, "maximize": maximize,
            },
        )  # fmt: skip

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        momentum = group["momentum"]
        if group["weight_decay"]:
            grad = grad + p * group["weight_decay"]
        if momentum:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.clone()
            else:
                buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad + buffer * momentum if group["nesterov"] else buffer
        p.sub_(grad * group["lr"])

    def update_arrays(self, p: Array, grad: Array, group: dict[str, Any], state: dict[str, Array]) -> bool:
        if isinstance(group["lr"], Tensor) or (group["momentum"] and not state):
            return False
        settings = [group[name] for name in ("momentum", "dampening", "weight_decay", "nesterov")]
        updates.sgd(p, grad, state.get("momentum_buffer") if group["momentum"] else None, float(group["lr"]), *settings)
        return True
