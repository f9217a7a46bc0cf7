"""Compiled training beside the same as Python: `fit`, and 200 steps with dropout and a schedule, which can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn, optim
from lampion.nn import functional as F
from lampion.training import evaluate, fit
from lampion.utils.data import DataLoader, TensorDataset


def problem() -> tuple[nn.Module, DataLoader, DataLoader]:
    lampion.manual_seed(5)
    x = lampion.randn(150, 1, 8, 8)
    data = TensorDataset(x, (x.mean((1, 2, 3)) > 0).long())
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2),
        nn.Linear(36, 2),
    )  # fmt: skip
    train, held_out = (TensorDataset(*data[s]) for s in (slice(0, 100), slice(100, 150)))
    return model, DataLoader(train, 32, shuffle=True), DataLoader(held_out, 25)


SETTINGS: dict[str, dict[str, Any]] = {
    "by itself": {},
    "accumulated": {"accumulate": 2},
    "clipped, with a schedule and patience": {"clip_norm": 0.5, "patience": 2, "step_every_batch": True},
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("what", SETTINGS)
def test_fit_measures_what_it_measures_as_python(what: str) -> None:
    found = []
    for compiled in (False, True):
        model, loader, held_out = problem()
        optimizer = optim.Adam(model.parameters(), 0.01)
        settings = dict(SETTINGS[what])
        if "step_every_batch" in settings:
            settings["scheduler"] = optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
        history = fit(model, loader, epochs=3, optimizer=optimizer, validation=held_out, compile=compiled, **settings)
        measured = [value for epoch in history.epochs for value in epoch.values()]
        found.append([*measured, *evaluate(model, held_out).values()])
    np.testing.assert_allclose(found[1], found[0], 1e-4)


def test_a_compiled_fit_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    model, loader, _ = problem()
    whole = fit(model, loader, epochs=3, compile=True).epochs
    for epochs in (1, 3):
        model, loader, _ = problem()
        parts = fit(model, loader, epochs=epochs, checkpoint=tmp_path / "run", resume=True, compile=True).epochs
    assert parts == whole


def losses(compiled: bool) -> list[float]:
    """Of 200 steps; in each another rate, and other betas."""
    model, _, _ = problem()
    optimizer = optim.AdamW(model.parameters(), 0.01)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=200)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run: Any = lampion.compile(step) if compiled else step
    found, programs = [], set()
    for _ in range(200):
        x = lampion.randn(16, 1, 8, 8)
        found.append(run(x, (x.mean((1, 2, 3)) > 0).long()).item())
        schedule.step()
        programs |= {id(entry.program) for entry in run._entries.values()} if compiled else set()
    assert not compiled or (run.why_not is None and len(programs) == 1)
    return found


def test_200_losses_are_those_of_python_and_the_same_again() -> None:
    compiled = losses(True)
    np.testing.assert_allclose(compiled, losses(False), 1e-4)
    assert losses(True) == compiled
