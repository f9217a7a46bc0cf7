"""Rprop."""

from __future__ import annotations

from typing import Any

from lampion.ops.arithmetic import clamp, sign
from lampion.ops.comparison import where
from lampion.ops.create import full_like, zeros, zeros_like
from lampion.optim.optimizer import Optimizer, Params, at_least_zero, elementwise
from lampion.tensor import Tensor


class Rprop(Optimizer):
    """p -= sign(g) * s, each step size s growing while g keeps its sign and shrinking where it turns (Riedmiller 1993).

    `etas` are the factors of shrinking and growing, `step_sizes` the smallest and largest s; it starts as lr.
    """

    def __init__(
        self, params: Params, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero("Rprop", lr=lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Rprop: expected etas with 0 < first < 1 < second, got {etas}")
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    @elementwise
    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        shrink, grow = group["etas"]
        if not state:
            start = full_like(p, 1.0) * group["lr"]
            state.update(step=zeros(()), prev=zeros_like(p), step_size=start.to(p.dtype))
        state["step"].add_(1)
        agreement = sign(grad * state["prev"])
        factor = where(agreement > 0, grow, where(agreement < 0, shrink, 1.0)).to(p.dtype)
        size = state["step_size"].copy_(clamp(state["step_size"] * factor, *group["step_sizes"]))
        grad = where(agreement < 0, 0.0, grad)
        p.sub_(sign(grad) * size)
        state["prev"].copy_(grad)
