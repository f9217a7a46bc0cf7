"""The one-cycle schedule."""

from __future__ import annotations

import math
from bisect import bisect_left

from lampion.optim.optimizer import Optimizer
from lampion.optim.schedule import LRScheduler


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr, then down to a `final_div_factor`th of the start (Smith and Topin 2017).

    The momentum (beta1 of Adam) goes the other way between `max_momentum` and `base_momentum`. Call `step` after every
    batch: `total_steps` of them, or epochs * steps_per_epoch. Raises ValueError where neither is given and beyond the end.
    """

    absolute = True

    def __init__(
        self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: str = "cos", cycle_momentum: bool = True, base_momentum: float = 0.85,
        max_momentum: float = 0.95, div_factor: float = 25.0, final_div_factor: float = 10000.0,
        three_phase: bool = False, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: expected total_steps, or both epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}")
        if not 0 <= pct_start <= 1 or total_steps <= 0:
            raise ValueError(
                f"OneCycleLR: expected pct_start in [0, 1] and steps above 0, got {pct_start}, {total_steps}"
            )
        self.total_steps, self.cosine, self.cycle_momentum = total_steps, anneal_strategy == "cos", cycle_momentum
        groups = optimizer.param_groups
        highest = max_lr if isinstance(max_lr, list) else [max_lr] * len(groups)
        for group, lr in zip(groups, highest, strict=True):
            if last_epoch == -1:
                start = lr / div_factor
                group.update(initial_lr=start, max_lr=lr, min_lr=start / final_div_factor)
        self._phases = _phases(total_steps, pct_start, three_phase)
        self._momenta = (max_momentum, base_momentum)
        if cycle_momentum and not {"betas", "momentum"} & groups[0].keys():
            raise ValueError("OneCycleLR: the optimizer has no momentum to cycle; set cycle_momentum=False")
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        group = self.optimizer.param_groups[i]
        return self._between(epoch, {"start": group["initial_lr"], "top": group["max_lr"], "end": group["min_lr"]})

    def step(self, epoch: float | None = None) -> None:
        if (self.last_epoch + 1 if epoch is None else epoch) > self.total_steps:
            raise ValueError(f"OneCycleLR: step called more often than the {self.total_steps} steps of the cycle")
        super().step(epoch)
        high, low = self._momenta
        for group in self.optimizer.param_groups if self.cycle_momentum else []:
            momentum = self._between(self.last_epoch, {"start": high, "top": low, "end": high})
            group.update({"betas": (momentum, *group["betas"][1:])} if "betas" in group else {"momentum": momentum})

    def _between(self, epoch: float, values: dict[str, float]) -> float:
        turn = min(bisect_left([end for end, _, _ in self._phases], epoch), len(self._phases) - 1)
        begin = self._phases[turn - 1][0] if turn else 0.0
        end, source, target = self._phases[turn]
        share = (epoch - begin) / (end - begin)
        a, b = values[source], values[target]
        return b + (a - b) / 2 * (1 + math.cos(math.pi * share)) if self.cosine else a + (b - a) * share


def _phases(total: int, pct_start: float, three: bool) -> list[tuple[float, str, str]]:
    """(last step, from, to) of every phase."""
    first = float(pct_start * total) - 1
    if three:
        return [(first, "start", "top"), (2 * first, "top", "start"), (total - 1, "start", "end")]
    return [(first, "start", "top"), (total - 1, "top", "end")]
