"""Cyclical learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lampion.optim.optimizer import Optimizer
from lampion.optim.schedule import LRScheduler, check_positive

SCALES: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "triangular": ("cycle", lambda gamma, x: 1.0),
    "triangular2": ("cycle", lambda gamma, x: 2.0 ** (1 - x)),
    "exp_range": ("iterations", lambda gamma, x: gamma**x),
}


class CyclicLR(LRScheduler):
    """From base_lr up to max_lr in step_size_up steps, and down in step_size_down, again and again (Smith 2015).

    `mode` keeps the height of the cycles ("triangular"), halves it each time ("triangular2") or multiplies it by gamma with
    every step ("exp_range"); `scale_fn` of the cycle or of the step (`scale_mode`) replaces it. With `cycle_momentum`
    the momentum (or beta1) runs the other way, from max_momentum to base_momentum.
    """

    absolute = True

    def __init__(
        self, optimizer: Optimizer, base_lr: float | list[float], max_lr: float | list[float], step_size_up: int = 2000,
        step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None, scale_mode: str = "cycle", cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8, max_momentum: float | list[float] = 0.9, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        check_positive("CyclicLR", step_size_up=step_size_up)
        if mode not in SCALES and scale_fn is None:
            raise ValueError(f"CyclicLR: expected mode {', '.join(map(repr, SCALES))}, or a scale_fn, got {mode!r}")
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(
                f"CyclicLR: {type(optimizer).__name__} has no momentum to cycle; pass cycle_momentum=False"
            )
        self.total_size = step_size_up + (step_size_up if step_size_down is None else step_size_down)
        self.step_ratio, self.mode, self.gamma = step_size_up / self.total_size, mode, gamma
        self.scale_fn, self.scale_mode = scale_fn, scale_mode if scale_fn else SCALES[mode][0]
        count = len(optimizer.param_groups)
        self.max_lrs, self.cycle_momentum = _each(max_lr, count), cycle_momentum
        self.base_momentums, self.max_momentums = _each(base_momentum, count), _each(max_momentum, count)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, _each(base_lr, count), strict=True):
                group["lr"] = group["initial_lr"] = lr
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.base_lrs[i] + (self.max_lrs[i] - self.base_lrs[i]) * self._height(epoch)

    def step(self, epoch: float | None = None) -> None:
        """Goes on by one, or to a given step, and sets learning rates and momentums."""
        super().step(epoch)
        if not self.cycle_momentum:
            return
        height = self._height(self.last_epoch)
        for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
            momentum = high - (high - low) * height
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum

    def _height(self, epoch: float) -> float:
        """How far up at a step, as a share of the way from base to max."""
        cycle = math.floor(1 + epoch / self.total_size)
        x = 1 + epoch / self.total_size - cycle
        share = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        place = cycle if self.scale_mode == "cycle" else epoch
        return share * (self.scale_fn(place) if self.scale_fn else SCALES[self.mode][1](self.gamma, place))

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions."""
        return {k: v for k, v in super().state_dict().items() if k != "scale_fn"}


def _each(value: float | list[float], count: int) -> list[float]:
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        raise ValueError(f"CyclicLR: expected {count} numbers, one a group, got {len(values)}")
    return values
