"""`fit`: the usual training loop, a convenience that nothing else depends on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lampion.autograd import no_grad
from lampion.nn.functional import cross_entropy
from lampion.nn.module import Module
from lampion.nn.utils import clip_grad_norm_
from lampion.optim.adam import Adam
from lampion.optim.lr_scheduler import ReduceLROnPlateau
from lampion.optim.optimizer import Optimizer
from lampion.tensor import Tensor

Metric = Callable[[Tensor, Tensor], Any]


@dataclass
class History:
    """What `fit` measured: one dict an epoch with `loss`, the metrics, `lr`, and the same as `val_...` on validation data."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1  # of the smallest val_loss, or loss without validation data; counted from 0
    stopped_early: bool = False

    def __getitem__(self, name: str) -> list[float]:
        if not any(name in epoch for epoch in self.epochs):
            raise KeyError(
                f"History: nothing measured as {name!r}, only {', '.join(self.epochs[0] if self.epochs else [])}"
            )
        return [epoch[name] for epoch in self.epochs]


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """The share of samples whose largest score, along dim 1, is that of the target class."""
    return (output.argmax(1) == target).float().mean()


ACCURACY: Mapping[str, Metric] = {"accuracy": accuracy}


def fit(
    model: Module, loader: Iterable[Any], *, epochs: int = 1, loss: Metric = cross_entropy,
    optimizer: Optimizer | None = None, scheduler: Any = None, step_every_batch: bool = False,
    validation: Iterable[Any] | None = None, metrics: Mapping[str, Metric] = ACCURACY, patience: int | None = None,
    clip_norm: float | None = None, progress: bool | None = None,
) -> History:  # fmt: skip
    """Trains `model` in place on batches (input, target) of `loader`, and gives what it measured.

    `optimizer` is Adam unless given. `scheduler` goes on after every epoch, or after every batch if `step_every_batch`.
    With `patience` training ends after as many epochs without a smaller loss (on `validation`, if given), and the
    model gets the weights of the best epoch back. `progress` shows a bar: True always, False never, None on a terminal.
    Raises ValueError for fewer than 1 epoch and for a loader without batches, FloatingPointError for a loss that is nan.
    """
    if epochs < 1:
        raise ValueError(f"fit: expected epochs of at least 1, got {epochs}")
    optimizer = optimizer or Adam(model.parameters())
    history, best, kept = History(), math.inf, None

    def update(value: Tensor) -> None:
        optimizer.zero_grad()
        value.backward()
        if clip_norm is not None:
            clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        if scheduler is not None and step_every_batch:
            scheduler.step()

    for epoch in range(epochs):
        with _bar(loader, f"epoch {epoch + 1}/{epochs}", progress) as bar:
            model.train()
            measured = _passed(model, bar, loss, metrics, update)
            measured["lr"] = optimizer.param_groups[0]["lr"]
            if validation is not None:
                measured |= {f"val_{k}": v for k, v in evaluate(model, validation, loss=loss, metrics=metrics).items()}
            bar.set_postfix(measured)
        history.epochs.append(measured)
        current = measured["loss" if validation is None else "val_loss"]
        if current < best:
            best, history.best_epoch = current, epoch
            kept = {k: t.clone() for k, t in model.state_dict().items()} if patience is not None else None
        if scheduler is not None and not step_every_batch:
            scheduler.step(*([current] if isinstance(scheduler, ReduceLROnPlateau) else []))
        if patience is not None and epoch - history.best_epoch >= patience:
            history.stopped_early = True
            break
    if kept is not None:
        model.load_state_dict(kept)
    return history


def evaluate(
    model: Module, loader: Iterable[Any], *, loss: Metric = cross_entropy, metrics: Mapping[str, Metric] = ACCURACY
) -> dict[str, float]:
    """The mean loss and metrics over the samples of `loader`, in eval mode and without gradients."""
    was_training = model.training
    model.eval()
    with no_grad():
        measured = _passed(model, loader, loss, metrics, None)
    model.train(was_training)
    return measured


def _passed(
    model: Module, loader: Iterable[Any], loss: Metric, metrics: Mapping[str, Metric],
    update: Callable[[Tensor], None] | None,
) -> dict[str, float]:  # fmt: skip
    """One pass: means over samples, and an update after every batch, if any."""
    sums: dict[str, float] = defaultdict(float)
    samples = 0
    for input, target in loader:
        output = model(input)
        value = loss(output, target)
        if update is not None:
            update(value)
        if math.isnan(value.item()):
            raise FloatingPointError(
                f"fit: the loss is nan after {samples} samples; lower the learning rate or clip_norm"
            )
        count = len(target)
        samples += count
        sums["loss"] += value.item() * count
        for name, metric in metrics.items():
            sums[name] += float(metric(output.detach(), target)) * count
    if not samples:
        raise ValueError("fit: expected a loader with at least one batch, got none")
    return {name: total / samples for name, total in sums.items()}


def _bar(loader: Iterable[Any], text: str, progress: bool | None) -> Any:
    from tqdm import tqdm  # type: ignore[import-untyped]

    return tqdm(loader, text, disable=None if progress is None else not progress)
