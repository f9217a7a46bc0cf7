"""Averages of a model over its training. PyTorch's `torch.optim.swa_utils`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

from lampion import dtypes
from lampion.autograd import no_grad
from lampion.nn.module import Module
from lampion.ops.create import tensor
from lampion.optim.optimizer import Optimizer
from lampion.optim.schedule import LRScheduler, check_positive
from lampion.tensor import Tensor

Average = Callable[[Tensor, Tensor, Tensor], Tensor]
ManyAverage = Callable[[list[Tensor], list[Tensor], Tensor], None]


def get_swa_avg_fn() -> Average:
    """The mean of all models so far (Izmailov et al. 2018)."""

    def average(averaged: Tensor, current: Tensor, num_averaged: Tensor) -> Tensor:
        return averaged + (current - averaged) / (num_averaged + 1)

    return average


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """decay * average + (1 - decay) * current. Raises ValueError for a decay outside [0, 1]."""
    if not 0 <= decay <= 1:
        raise ValueError(f"get_ema_avg_fn: expected decay between 0 and 1, got {decay}")

    def average(averaged: Tensor, current: Tensor, num_averaged: Tensor) -> Tensor:
        return averaged * decay + current * (1 - decay)

    return average


def get_swa_multi_avg_fn() -> ManyAverage:
    """`get_swa_avg_fn` over lists, in place."""
    return _in_place(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> ManyAverage:
    """`get_ema_avg_fn` over lists, in place."""
    return _in_place(get_ema_avg_fn(decay))


def _in_place(average: Average) -> ManyAverage:
    @no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], num_averaged: Tensor) -> None:
        for a, b in zip(averaged, current, strict=True):
            a.copy_(average(a, b, num_averaged).to(a.dtype))

    return update


class AveragedModel(Module):
    """A copy of a model, under `module`, that holds the average of all states given to `update_parameters`.

    The average is that of `avg_fn` (or `multi_avg_fn`, over lists and in place); by default the mean. With `use_buffers`
    buffers are averaged too; else they are the last ones.
    """

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Average | None = None, multi_avg_fn: ManyAverage | None = None,
        use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: expected either avg_fn or multi_avg_fn, got both")
        self.module = copy.deepcopy(model).to(device=device)
        self.register_buffer("n_averaged", tensor(0, dtype=dtypes.int64))
        self.update, self.use_buffers = multi_avg_fn or _in_place(avg_fn or get_swa_avg_fn()), use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model computes."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Takes one more state of the model into the average."""
        mine, theirs = list(self.module.parameters()), list(model.parameters())
        buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
        averaged: list[Tensor] = [*mine, *(a for a, _ in buffers if self.use_buffers)]
        current: list[Tensor] = [t.detach() for t in (*theirs, *(b for _, b in buffers if self.use_buffers))]
        if int(self.n_averaged) == 0:
            for a, b in zip(averaged, current, strict=True):
                a.copy_(b)
        else:
            self.update(averaged, current, self.n_averaged)
        if not self.use_buffers:
            for a, b in buffers:
                a.copy_(b)
        self.n_averaged.add_(1)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of all batch norms anew, from the inputs of `loader` (or the first of each pair)."""
    norms = [m for m in model.modules() if hasattr(m, "reset_running_stats") and hasattr(m, "momentum")]
    if not norms:
        return
    before, was_training = [m.momentum for m in norms], model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # every batch counts the same
    model.train()
    for batch in loader:
        model((batch[0] if isinstance(batch, list | tuple) else batch).to(device=device))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the learning rate of each group to swa_lr in anneal_epochs steps, along a cosine ("cos") or a line ("linear")."""

    absolute = True

    def __init__(
        self, optimizer: Optimizer, swa_lr: float | list[float], anneal_epochs: int = 10, anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}")
        check_positive("SWALR", anneal_epochs=anneal_epochs + 1)
        many = list(swa_lr) if isinstance(swa_lr, list | tuple) else [swa_lr] * len(optimizer.param_groups)
        for group, lr in zip(optimizer.param_groups, many, strict=True):
            group["swa_lr"] = lr
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Goes on by one, from whatever the learning rates are now."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else int(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = self._next_of(group)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _next_of(self, group: dict[str, Any]) -> float:
        """The start is found back from the present rate, so that another schedule may have changed it before."""
        step = self.last_epoch
        if self.anneal_epochs == 0:
            step = max(1, step)
        before = self._share(max(0, min(1, (step - 1) / max(1, self.anneal_epochs))))
        now = self._share(max(0, min(1, step / max(1, self.anneal_epochs))))
        target: float = group["swa_lr"]
        start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
        return target * now + start * (1 - now)

    def _share(self, t: float) -> float:
        return (1 - math.cos(math.pi * t)) / 2 if self.anneal_strategy == "cos" else t


__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]
