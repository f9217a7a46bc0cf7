"""`fit`: the usual training loop, a convenience that nothing else depends on."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from lampion.autograd import no_grad
from lampion.compiling import compile
from lampion.event_log import event_log
from lampion.nn.functional import cross_entropy
from lampion.nn.module import Module
from lampion.nn.utils import clip_grad_norm_
from lampion.optim.adam import Adam
from lampion.optim.lr_scheduler import ReduceLROnPlateau
from lampion.optim.optimizer import Optimizer
from lampion.run_state import History, Run, Sums
from lampion.tensor import Tensor

Metric = Callable[[Tensor, Tensor], Any]
Place = str | os.PathLike[str]


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """The share of samples whose largest score, along dim 1, is that of the target class."""
    return (output.argmax(1) == target).float().mean()


ACCURACY: Mapping[str, Metric] = {"accuracy": accuracy}


def fit(
    model: Module, loader: Iterable[Any], *, epochs: int = 1, loss: Metric = cross_entropy,
    optimizer: Optimizer | None = None, scheduler: Any = None, step_every_batch: bool = False,
    validation: Iterable[Any] | None = None, metrics: Mapping[str, Metric] = ACCURACY, patience: int | None = None,
    clip_norm: float | None = None, accumulate: int = 1, checkpoint: Place | None = None,
    checkpoint_every: int | None = None, resume: bool = False, log_dir: Place | None = None, progress: bool | None = None,
    compile: bool = False,
) -> History:  # fmt: skip
    """Trains `model` in place on batches (input, target) of `loader`, and gives what it measured.

    `optimizer` is Adam unless given. `scheduler` goes on after every epoch, or after every update if `step_every_batch`.
    `accumulate` batches make one update, as one large batch of a mean loss would. With `patience` training ends after as many
    epochs without a smaller loss (on `validation`, if given), and the model gets the weights of the best epoch back.

    `checkpoint` names a file to write after every epoch, and after every `checkpoint_every` updates. With `resume` the run goes
    on from there, if the file exists, and ends with the same bits as one that was never interrupted; model, optimizer,
    scheduler, loader and loss must be built as they were. `log_dir` gets event files for TensorBoard: `lampion[tensorboard]`.
    `progress` shows a bar: True always, False never, None on a terminal. With `compile` each batch is one graph in onnxruntime
    (see `lampion.compile`), with the same numbers; what can't be a graph runs as Python, and a warning says why.

    Raises ValueError for settings below 1 and for a loader without batches, FloatingPointError for a loss that is nan.
    """
    _check(epochs=epochs, accumulate=accumulate, checkpoint_every=checkpoint_every)
    if checkpoint is None and (resume or checkpoint_every is not None):
        raise ValueError("fit: resume and checkpoint_every need checkpoint, the file to read and write")
    run = Run(model, optimizer or Adam(model.parameters()), scheduler, loader)
    if resume and checkpoint is not None and Path(checkpoint).exists():
        run.load(checkpoint)

    steps = _Steps(model, run.optimizer, loss, metrics, accumulate, clip_norm, compile)

    def updated() -> None:
        run.updates += 1
        if scheduler is not None and step_every_batch:
            scheduler.step()
        if checkpoint is not None and checkpoint_every is not None and run.updates % checkpoint_every == 0:
            run.save(checkpoint)

    with event_log(log_dir, run.updates) as log:
        while run.epoch < epochs and not run.history.stopped_early:
            with _bar(run, f"epoch {run.epoch + 1}/{epochs}", progress) as bar:
                _train(run, bar, steps, accumulate, updated)
                measured = run.sums.means() | {"lr": run.optimizer.param_groups[0]["lr"]}
                if validation is not None:
                    found = _means(model, validation, steps.score)
                    measured |= {f"val_{name}": value for name, value in found.items()}
                bar.set_postfix(measured)
            log(measured, run.updates)
            _conclude(run, measured, "loss" if validation is None else "val_loss", patience, step_every_batch)
            if checkpoint is not None:
                run.save(checkpoint)
    if run.best_weights:
        model.load_state_dict(run.best_weights)
    _trained[model] = {
        "epochs": len(run.history.epochs),
        "optimizer": type(run.optimizer).__name__,
        "loss": getattr(loss, "__name__", type(loss).__name__),
        "measured": run.history.epochs[run.history.best_epoch if run.best_weights else -1]
        if run.history.epochs
        else {},
    }
    return run.history


_trained: WeakKeyDictionary[Module, dict[str, Any]] = WeakKeyDictionary()


def provenance(model: Module) -> dict[str, Any]:
    """What the last `fit` of this very object did, for the card of an exported file; {} for one that `fit` never saw.

    `measured` are loss and metrics of the epoch whose weights the model has. Weights loaded since then are not noticed.
    """
    return dict(_trained.get(model, {}))


def evaluate(
    model: Module, loader: Iterable[Any], *, loss: Metric = cross_entropy, metrics: Mapping[str, Metric] = ACCURACY
) -> dict[str, float]:
    """The mean loss and metrics over the samples of `loader`, in eval mode and without gradients."""
    return _means(model, loader, _scorer(model, loss, metrics))


Score = Callable[[Any, Any], tuple[Tensor, dict[str, Any]]]


def _scorer(model: Module, loss: Metric, metrics: Mapping[str, Metric]) -> Score:
    """What gives loss and metrics of a batch."""

    def score(input: Any, target: Any) -> tuple[Tensor, dict[str, Any]]:
        output = model(input)
        return loss(output, target), {name: metric(output.detach(), target) for name, metric in metrics.items()}

    return score


class _Steps:
    """What is done with a batch: `score` it, `learn` from it, and `update`, which learning includes if `at_once`."""

    def __init__(
        self, model: Module, optimizer: Optimizer, loss: Metric, metrics: Mapping[str, Metric], accumulate: int,
        clip_norm: float | None, compiled: bool,
    ) -> None:  # fmt: skip
        score = _scorer(model, loss, metrics)
        parameters = list(model.parameters())

        def learn(input: Any, target: Any) -> tuple[Tensor, dict[str, Any]]:
            value, measured = score(input, target)
            (value if accumulate == 1 else value * len(target)).backward()
            return value.detach(), measured

        def update() -> None:
            if clip_norm is not None:
                clip_grad_norm_(parameters, clip_norm)
            optimizer.step()
            optimizer.zero_grad()

        def once(input: Any, target: Any) -> tuple[Tensor, dict[str, Any]]:
            found = learn(input, target)
            update()
            return found

        self.at_once = compiled and accumulate == 1
        train = once if self.at_once else learn
        self.score: Score = compile(score) if compiled else score
        self.learn: Score = compile(train) if compiled else train
        self.update = update


def _means(model: Module, loader: Iterable[Any], score: Score) -> dict[str, float]:
    was_training, sums = model.training, Sums()
    model.eval()
    with no_grad():
        for input, target in loader:
            _measure(sums, target, *score(input, target))
    model.train(was_training)
    return sums.means()


def _train(
    run: Run, batches: Iterable[Any], steps: _Steps, accumulate: int, updated: Callable[[], None]
) -> None:  # fmt: skip
    """The rest of an epoch. Batches that make one update weigh as much as they have samples."""
    run.model.train()
    run.optimizer.zero_grad()
    waiting = samples = 0
    for input, target in batches:
        _measure(run.sums, target, *steps.learn(input, target))
        run.batch, waiting, samples = run.batch + 1, waiting + 1, samples + len(target)
        if waiting == accumulate:
            _end_update(run, steps, accumulate, samples, updated)
            waiting = samples = 0
    if waiting:
        _end_update(run, steps, accumulate, samples, updated)


def _end_update(run: Run, steps: _Steps, accumulate: int, samples: int, updated: Callable[[], None]) -> None:
    if accumulate > 1:
        for p in run.model.parameters():
            p.grad = None if p.grad is None else p.grad / samples
    if not steps.at_once:
        steps.update()
    updated()


def _measure(sums: Sums, target: Tensor, value: Tensor, measured: Mapping[str, Any]) -> None:
    number = value.item()
    if math.isnan(number):
        raise FloatingPointError(
            f"fit: the loss is nan after {sums.samples} samples; lower the learning rate or clip_norm"
        )
    sums.add({"loss": number} | {name: float(x) for name, x in measured.items()}, len(target))


def _conclude(run: Run, measured: dict[str, float], by: str, patience: int | None, step_every_batch: bool) -> None:
    """What is done at the end of an epoch: whether it was the best, the schedule's step, whether to stop."""
    run.history.epochs.append(measured)
    if measured[by] < run.best:
        run.best, run.history.best_epoch = measured[by], run.epoch
        if patience is not None:
            run.best_weights = {name: t.clone() for name, t in run.model.state_dict().items()}
    if run.scheduler is not None and not step_every_batch:
        run.scheduler.step(*([measured[by]] if isinstance(run.scheduler, ReduceLROnPlateau) else []))
    run.history.stopped_early = patience is not None and run.epoch - run.history.best_epoch >= patience
    run.next_epoch()


def _check(**settings: int | None) -> None:
    for name, value in settings.items():
        if value is not None and value < 1:
            raise ValueError(f"fit: expected {name} of at least 1, got {value}")


def _bar(run: Run, text: str, progress: bool | None) -> Any:
    from tqdm import tqdm  # type: ignore[import-untyped]

    total = len(run.loader) if hasattr(run.loader, "__len__") else None  # type: ignore[arg-type, unused-ignore]
    return tqdm(run.batches(), text, total, initial=run.batch, disable=None if progress is None else not progress)
