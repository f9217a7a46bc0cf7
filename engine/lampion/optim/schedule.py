"""What all learning rate schedules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lampion.optim.optimizer import Optimizer


class LRScheduler:
    """Base: a subclass gives `at`, the learning rate at a step in closed form.

    Several schedules on one optimizer multiply, as in PyTorch: where the rate is no longer what this schedule set, `step`
    scales it (above `floor`) by what its own formula does. An `absolute` one sets the rate whatever it was.
    """

    absolute: ClassVar[bool] = False
    floor: float = 0.0

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: no 'initial_lr' in the optimizer's groups to resume at {last_epoch}; "
                    "load the optimizer's state first"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def at(self, i: int, epoch: float) -> float:
        """The learning rate of group `i` at `epoch`, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method `at`, found none; define it")

    def step(self, epoch: float | None = None) -> None:
        """Goes on by one, or to a given epoch, and sets the learning rates."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch  # type: ignore[assignment]
        for i, group in enumerate(self.optimizer.param_groups):
            group["lr"] = self.at(i, self.last_epoch) if epoch is not None else self._next(i, group["lr"])
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _next(self, i: int, lr: float) -> float:
        new = self.at(i, self.last_epoch)
        if self.absolute or self.last_epoch == 0:
            return new if self.absolute else self._scaled(lr, self.base_lrs[i], new)
        return self._scaled(lr, self.at(i, self.last_epoch - 1), new)

    def _scaled(self, lr: float, old: float, new: float) -> float:
        if lr == old or old == self.floor:
            return new
        return (lr - self.floor) * (new - self.floor) / (old - self.floor) + self.floor

    def get_last_lr(self) -> list[float]:
        """The learning rate of every group as `step` last set it."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions."""
        return {k: v for k, v in vars(self).items() if k not in ("optimizer", "lr_lambdas")}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        vars(self).update(state_dict)


def check_positive(who: str, **settings: float) -> None:
    """Raises ValueError for a setting that is no number above 0."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{who}: expected {name} above 0, got {value}")
