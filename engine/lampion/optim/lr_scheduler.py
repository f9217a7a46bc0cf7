"""Learning rate schedules, a formula each. PyTorch's `torch.optim.lr_scheduler`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lampion.optim.cyclic import CyclicLR
from lampion.optim.one_cycle import OneCycleLR
from lampion.optim.optimizer import Optimizer
from lampion.optim.plateau import ReduceLROnPlateau
from lampion.optim.schedule import LRScheduler, check_positive

# ---- formulas -------------------------------------------------------------------------------------------------------


class LambdaLR(LRScheduler):
    """base_lr * lr_lambda(epoch); one function, or a list with one for every group"""

    absolute = True

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        count = len(optimizer.param_groups)
        self.lr_lambdas: list[Any] = lr_lambda if isinstance(lr_lambda, list) else [lr_lambda] * count
        if len(self.lr_lambdas) != count:
            raise ValueError(f"LambdaLR: expected {count} functions, one a group, got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.base_lrs[i] * self.lr_lambdas[i](epoch)


class MultiplicativeLR(LRScheduler):
    """lr * lr_lambda(epoch), epoch after epoch; one function, or a list with one for every group"""

    absolute = True

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        count = len(optimizer.param_groups)
        self.lr_lambdas: list[Any] = lr_lambda if isinstance(lr_lambda, list) else [lr_lambda] * count
        if len(self.lr_lambdas) != count:
            raise ValueError(f"MultiplicativeLR: expected {count} functions, one a group, got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        lr: float = self.optimizer.param_groups[i]["lr"]
        return lr if epoch == 0 else lr * self.lr_lambdas[i](epoch)


class StepLR(LRScheduler):
    """base_lr * gamma ** (epoch // step_size)"""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        check_positive("StepLR", step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.base_lrs[i] * self.gamma ** (epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """base_lr * gamma ** (how many of the milestones have passed)"""

    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.base_lrs[i] * self.gamma ** bisect_right(self.milestones, epoch)


class ExponentialLR(LRScheduler):
    """base_lr * gamma ** epoch"""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.base_lrs[i] * self.gamma**epoch


class ConstantLR(LRScheduler):
    """base_lr * factor for the first total_iters epochs, then base_lr"""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: expected factor between 0 and 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.base_lrs[i] * (self.factor if epoch < self.total_iters else 1.0)


class LinearLR(LRScheduler):
    """base_lr times a factor that goes from start_factor to end_factor in total_iters epochs"""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: expected start_factor in (0, 1] and end_factor in [0, 1], got {start_factor}, {end_factor}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        share = min(epoch, self.total_iters) / self.total_iters
        return self.base_lrs[i] * (self.start_factor + (self.end_factor - self.start_factor) * share)


class PolynomialLR(LRScheduler):
    """base_lr * (1 - epoch / total_iters) ** power, 0 from total_iters on"""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        check_positive("PolynomialLR", total_iters=total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.base_lrs[i] * (1 - min(epoch, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base_lr - eta_min) (1 + cos(pi epoch / T_max)) / 2 (Loshchilov and Hutter 2016)"""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803 - torch's name
        check_positive("CosineAnnealingLR", T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        self.floor = eta_min
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        return self.eta_min + (self.base_lrs[i] - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """`CosineAnnealingLR` that starts over after T_0 epochs, then after T_mult times as many, and so on.

    `step` takes fractions of an epoch as well.
    """

    absolute = True

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803 - torch's name
        T_mult: int = 1,  # noqa: N803 - torch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        check_positive("CosineAnnealingWarmRestarts", T_0=T_0, T_mult=T_mult)
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def at(self, i: int, epoch: float) -> float:
        length = self.T_0
        while epoch >= length:
            epoch, length = epoch - length, length * self.T_mult
        return self.eta_min + (self.base_lrs[i] - self.eta_min) * (1 + math.cos(math.pi * epoch / length)) / 2


# ---- schedules of schedules -----------------------------------------------------------------------------------------


class _Several:
    """Base: schedules of one optimizer."""

    def __init__(self, schedulers: Sequence[Any], optimizer: Optimizer | None) -> None:
        self.schedulers = list(schedulers)
        if not self.schedulers:
            raise ValueError(f"{type(self).__name__}: expected at least one schedule, got none")
        self.optimizer: Optimizer = optimizer or self.schedulers[0].optimizer
        if any(s.optimizer is not self.optimizer for s in self.schedulers):
            raise ValueError(f"{type(self).__name__}: expected all schedules to belong to the same optimizer")

    def get_last_lr(self) -> list[float]:
        """The learning rate of every group after the last step."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The state of every schedule."""
        own = {k: v for k, v in vars(self).items() if k not in ("optimizer", "schedulers")}
        return {**own, "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        for scheduler, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(state)
        vars(self).update({k: v for k, v in state_dict.items() if k != "schedulers"})


class ChainedScheduler(_Several):
    """All schedules at once: their factors multiply."""

    def __init__(self, schedulers: Sequence[Any], optimizer: Optimizer | None = None) -> None:
        super().__init__(schedulers, optimizer)

    def step(self) -> None:
        """Goes on by one in every schedule."""
        for scheduler in self.schedulers:
            scheduler.step()


class SequentialLR(_Several):
    """One schedule after the other, each starting from 0 at its milestone."""

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[Any], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        super().__init__(schedulers, optimizer)
        if len(milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected {len(self.schedulers) - 1} milestones for {len(self.schedulers)} schedules, "
                f"got {len(milestones)}"
            )
        self.milestones, self.last_epoch = list(milestones), last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self.schedulers[bisect_right(self.milestones, 0)].step(0)

    def step(self) -> None:
        """Goes on by one in the schedule whose turn it is."""
        self.last_epoch += 1
        turn = bisect_right(self.milestones, self.last_epoch)
        starts = turn > 0 and self.milestones[turn - 1] == self.last_epoch
        self.schedulers[turn].step(*([0] if starts else []))


__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
