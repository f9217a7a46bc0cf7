"""fit and evaluate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn, optim
from lampion.training import evaluate, fit
from lampion.utils.data import DataLoader, TensorDataset


def problem(seed: int = 0) -> tuple[nn.Module, DataLoader, DataLoader]:
    """Two classes by the sign of a sum: a model, training and validation batches."""
    lampion.manual_seed(seed)
    x = lampion.randn(130, 4)
    data = TensorDataset(x, (x.sum(1) > 0).long())
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))
    train, held_out = (TensorDataset(*data[s]) for s in (slice(0, 100), slice(100, 130)))
    return model, DataLoader(train, 32, shuffle=True), DataLoader(held_out, 16)


def test_learns_and_measures() -> None:
    model, loader, validation = problem()
    history = fit(model, loader, epochs=15, optimizer=optim.Adam(model.parameters(), 0.02), validation=validation)
    assert len(history.epochs) == 15
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["val_accuracy"][-1] > 0.85
    assert history["lr"] == [0.02] * 15
    assert history.best_epoch == int(np.argmin(history["val_loss"]))
    assert not history.stopped_early
    measured = evaluate(model, validation)
    assert measured["loss"] == pytest.approx(history["val_loss"][-1])
    assert model.training
    with pytest.raises(KeyError, match="nothing measured as 'f1', only loss, accuracy"):
        history["f1"]


def test_the_same_seed_gives_the_same_run() -> None:
    runs = []
    for _ in range(2):
        model, loader, _ = problem(3)
        runs.append(fit(model, loader, epochs=3).epochs)
    assert runs[0] == runs[1]


def test_means_are_over_samples() -> None:
    """The last batch is smaller, and counts less."""
    x = lampion.arange(5).float().reshape(5, 1)
    loader = DataLoader(TensorDataset(x, x), 4)
    squares = evaluate(nn.Identity(), loader, loss=lambda a, b: (a * b).mean(), metrics={"sum": lambda a, b: a.mean()})
    assert squares == {"loss": pytest.approx((0 + 1 + 4 + 9 + 16) / 5), "sum": pytest.approx(2.0)}


def test_patience_stops_and_brings_the_best_weights_back() -> None:
    model, loader, validation = problem()
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda e: 1.0 if e < 2 else -1.0)  # uphill after two epochs
    history = fit(model, loader, epochs=50, optimizer=optimizer, scheduler=schedule, validation=validation, patience=3)
    assert history.stopped_early
    assert len(history.epochs) == history.best_epoch + 4
    assert evaluate(model, validation)["loss"] == pytest.approx(history["val_loss"][history.best_epoch])


def test_schedules() -> None:
    model, loader, _ = problem()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    fit(model, loader, epochs=2, optimizer=optimizer, scheduler=optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
    assert optimizer.param_groups[0]["lr"] == 0.25
    each = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    fit(model, loader, optimizer=optimizer, scheduler=each, step_every_batch=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25 * 0.5**4)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    history = fit(model, loader, optimizer=optimizer, scheduler=plateau)
    assert plateau.best == history["loss"][0]


def test_clip_norm_bounds_an_update() -> None:
    model, loader, _ = problem()
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    fit(model, [next(iter(loader))], optimizer=optim.SGD(model.parameters(), lr=1.0), clip_norm=0.01)
    moved = nn.utils.parameters_to_vector(model.parameters()).detach() - before
    assert moved.norm().item() <= 0.0101


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_bar(capsys: Any, progress: bool | None, shown: bool) -> None:
    model, loader, _ = problem()
    fit(model, loader, progress=progress)
    assert ("epoch 1/1" in capsys.readouterr().err) == shown


def test_messages() -> None:
    model, loader, _ = problem()
    with pytest.raises(ValueError, match="epochs of at least 1, got 0"):
        fit(model, loader, epochs=0)
    with pytest.raises(ValueError, match="a loader with at least one batch, got none"):
        fit(model, [])
    with pytest.raises(FloatingPointError, match="the loss is nan after 0 samples"):
        fit(model, loader, loss=lambda output, target: output.sum() * float("nan"))
