"""Adafactor."""

from __future__ import annotations

from typing import Any

from lampion import dtypes
from lampion.ops.analysis import rsqrt
from lampion.ops.arithmetic import clamp
from lampion.ops.create import zeros, zeros_like
from lampion.ops.promote import as_tensor
from lampion.ops.reduce import mean
from lampion.optim.optimizer import Optimizer, Params, at_least_zero
from lampion.tensor import Tensor


class Adafactor(Optimizer):
    """Steps relative to the size of the parameter, by g^2 of which a matrix keeps row and column means only.

    Shazeer and Stern 2018. `eps` are the least root of g^2 (None: the dtype's) and the least size of a parameter; `d` is the
    largest root mean square of a step before lr; lr bounds 1 / sqrt(step).
    """

    def __init__(
        self, params: Params, lr: Any = 1e-2, beta2_decay: float = -0.8, eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0, weight_decay: float = 0.0, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        at_least_zero("Adafactor", lr=lr, weight_decay=weight_decay, eps1=eps[0] or 0, eps2=eps[1])
        if beta2_decay > 0 or d < 1:
            raise ValueError(
                f"Adafactor: expected beta2_decay of at most 0 and d of at least 1, got {beta2_decay}, {d}"
            )
        super().__init__(
            params,
            {
                "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )  # fmt: skip

    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state["step"] = zeros(())
            state.update(_moments(p))
        step, lr = state["step"].add_(1).double(), group["lr"]
        eps1, eps2 = group["eps"]
        eps1 = float(dtypes.finfo(p.dtype).eps) if eps1 is None else eps1
        pace = step ** group["beta2_decay"]
        alpha = clamp(_size(p), min=eps2) * (step**-0.5).minimum(as_tensor(lr, step.dtype))
        p.mul_(1 - lr * group["weight_decay"])
        square = grad * grad
        if "variance" in state:
            estimate = state["variance"].lerp_(square, pace)
        else:
            row = state["row_var"].lerp_(mean(square, -1, keepdim=True), pace)
            column = state["col_var"].lerp_(mean(square, -2, keepdim=True), pace)
            estimate = row @ column / clamp(mean(row, -2, keepdim=True), min=eps1)
        direction = rsqrt(clamp(estimate, min=eps1 * eps1)) * grad
        p.sub_(direction * (alpha / clamp(_size(direction) / group["d"], min=1)))


def _moments(p: Tensor) -> dict[str, Tensor]:
    """The running means of g^2, all zeros: of rows and columns, or of every element of a vector."""
    if p.ndim < 2:
        return {"variance": zeros_like(p)}
    rows, columns = (*p.shape[:-1], 1), (*p.shape[:-2], 1, p.shape[-1])
    return {"row_var": zeros(*rows, dtype=p.dtype), "col_var": zeros(*columns, dtype=p.dtype)}


def _size(x: Tensor) -> Tensor:
    """The root mean square."""
    return mean(x * x).double() ** 0.5
