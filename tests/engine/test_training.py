"""fit and evaluate."""

from __future__ import annotations

from pathlib import Path
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


# ---- large batches in parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parts", "batch"), [(4, 8), (3, 10), (7, 13)])
def test_accumulated_batches_are_one_large_batch(parts: int, batch: int) -> None:
    """Also where the last ones are smaller and fewer: 100 samples."""
    x = lampion.randn(100, 4)
    data = TensorDataset(x, (x.sum(1) > 0).long())
    models = []
    for size, accumulate in ((batch, parts), (batch * parts, 1)):
        lampion.manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = optim.SGD(model.parameters(), 0.5, momentum=0.9)
        fit(model, DataLoader(data, size), epochs=3, optimizer=optimizer, accumulate=accumulate, clip_norm=0.2)
        models.append(nn.utils.parameters_to_vector(model.parameters()).detach().numpy())
    np.testing.assert_allclose(models[0], models[1], rtol=1e-5)


# ---- interrupted runs -----------------------------------------------------------------------------------------------


class PowerCutError(Exception):
    """The power went out."""


def everything(path: Path, interrupt_after: int | None, **settings: Any) -> tuple[Any, ...]:
    """A run with all that has a state, and the bits it ends with."""
    lampion.manual_seed(5)
    x = lampion.randn(90, 4)
    data = TensorDataset(x, (x.sum(1) > 0).long())
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
    loader = DataLoader(data, 16, shuffle=True, generator=lampion.Generator().manual_seed(3))
    optimizer = settings.pop("optimizer", optim.AdamW)(model.parameters(), lr=0.02)
    scheduler = settings.pop("scheduler", lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 4))(optimizer)
    seen = 0

    def loss(output: lampion.Tensor, target: lampion.Tensor) -> lampion.Tensor:
        nonlocal seen
        seen += model.training
        if seen == interrupt_after:
            raise PowerCutError
        return nn.functional.cross_entropy(output, target)

    history = fit(
        model, loader, epochs=4, loss=loss, optimizer=optimizer, scheduler=scheduler, checkpoint=path, validation=[data[:20]],
        **settings,
    )  # fmt: skip
    weights = {name: t.numpy().tobytes() for name, t in model.state_dict().items()}
    assert isinstance(optimizer, optim.Optimizer)
    return weights, repr(optimizer.state_dict()), history, lampion.rand(3).tolist()


RUNS: dict[str, dict[str, Any]] = {
    "every epoch": {},
    "every update": {"checkpoint_every": 1},
    "every third update": {"checkpoint_every": 3},
    "schedule by batch": {"checkpoint_every": 2, "step_every_batch": True},
    "in parts": {"checkpoint_every": 2, "accumulate": 4, "clip_norm": 0.5},
    "plateau": {"checkpoint_every": 5, "scheduler": lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, patience=0)},
    "patience": {"checkpoint_every": 4, "patience": 2, "optimizer": lambda p, lr: optim.SGD(p, lr * 200, 0.9)},
    "several schedules": {
        "checkpoint_every": 3,
        "scheduler": lambda o: optim.lr_scheduler.SequentialLR(
            o, [optim.lr_scheduler.LinearLR(o), optim.lr_scheduler.OneCycleLR(o, 0.1, 24)], [1]
        ),
    },
}


@pytest.mark.parametrize("interrupt_after", [1, 4, 6, 7, 16], ids=lambda n: f"at batch {n}")
@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, settings: dict[str, Any], interrupt_after: int
) -> None:
    want = everything(tmp_path / "whole", None, **settings)
    with pytest.raises(PowerCutError):
        everything(tmp_path / "x", interrupt_after, resume=True, **settings)
    with pytest.raises(PowerCutError):  # and once more, where it goes on
        everything(tmp_path / "x", 2, resume=True, **settings)
    lampion.manual_seed(99)
    assert everything(tmp_path / "x", None, resume=True, **settings) == want
    assert everything(tmp_path / "x", None, resume=True, **settings)[0] == want[0]  # nothing is left to do


def test_a_finished_run_goes_on_with_more_epochs(tmp_path: Path) -> None:
    model, loader, _ = problem(3)
    whole = fit(model, loader, epochs=4)
    model, loader, _ = problem(3)
    fit(model, loader, epochs=2, checkpoint=tmp_path / "x")
    model, loader, _ = problem(3)
    lampion.manual_seed(99)
    assert fit(model, loader, epochs=4, checkpoint=tmp_path / "x", resume=True) == whole


def test_resume_messages(tmp_path: Path) -> None:
    model, loader, _ = problem()
    for settings in ({"resume": True}, {"checkpoint_every": 2}):
        with pytest.raises(ValueError, match="need checkpoint, the file to read and write"):
            fit(model, loader, **settings)
    for name in ("accumulate", "checkpoint_every"):
        with pytest.raises(ValueError, match=f"expected {name} of at least 1, got 0"):
            fit(model, loader, **{name: 0})
    fit(model, loader, checkpoint=tmp_path / "x")
    optimizer = optim.Adam(model.parameters())
    scheduler = optim.lr_scheduler.StepLR(optimizer, 1)
    with pytest.raises(ValueError, match="is of a run with another scheduler or loader"):
        fit(model, loader, optimizer=optimizer, scheduler=scheduler, checkpoint=tmp_path / "x", resume=True)
