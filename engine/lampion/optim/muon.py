"""Muon."""

from __future__ import annotations

import math
from typing import Any

from lampion.ops.arithmetic import clamp
from lampion.ops.create import zeros_like
from lampion.optim.optimizer import Optimizer, Params, at_least_zero
from lampion.tensor import Tensor


class Muon(Optimizer):
    """SGD with momentum whose step, for a matrix, is made nearly orthogonal by a Newton-Schulz iteration (Jordan 2024).

    `adjust_lr_fn` scales lr for a matrix [a, b]: "original" by sqrt(max(1, a / b)), "match_rms_adamw" by
    0.2 sqrt(max(a, b)). Raises ValueError for parameters that are no matrices.
    """

    def __init__(
        self, params: Params, lr: Any = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95, nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315), eps: float = 1e-7, ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:  # fmt: skip
        at_least_zero("Muon", lr=lr, weight_decay=weight_decay, momentum=momentum)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Muon: expected adjust_lr_fn 'original' or 'match_rms_adamw', got {adjust_lr_fn!r}")
        if len(ns_coefficients) != 3 or ns_steps >= 100:
            raise ValueError(
                f"Muon: expected 3 ns_coefficients and ns_steps below 100, got {len(ns_coefficients)} and {ns_steps}"
            )
        super().__init__(
            params,
            {
                "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
                "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
            },
        )  # fmt: skip

    def add_param_group(self, param_group: Any) -> None:
        """As `Optimizer.add_param_group`; matrices only."""
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.ndim != 2:
                raise ValueError(
                    f"Muon: expected matrices, got shape {list(p.shape)}; give the rest to another optimizer"
                )

    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state["momentum_buffer"] = zeros_like(p)
        buffer = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])
        step = grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
        step = orthogonalized(step, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(step.to(p.dtype) * (group["lr"] * _factor(group["adjust_lr_fn"], *p.shape)))


def orthogonalized(x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """x [a, b] with its singular values moved towards 1, in the precision of bfloat16, as PyTorch computes it."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    y = _rounded(x.float().t() if tall else x.float())
    y = _rounded(y / clamp(_rounded(y.norm()), min=eps))
    for _ in range(steps):
        gram = _rounded(y @ y.t())
        polynomial = _rounded(gram * b + gram @ gram * c)
        y = _rounded(y * a + polynomial @ y)
    return y.t() if tall else y


def _rounded(x: Tensor) -> Tensor:
    """float32 numbers with the 8 significant bits of bfloat16 (Veltkamp's splitting)."""
    shifted = x * 65537.0
    return shifted + (x - shifted)


def _factor(name: str | None, a: int, b: int) -> float:
    return 0.2 * math.sqrt(max(a, b)) if name == "match_rms_adamw" else math.sqrt(max(1, a / b))
