"""Every optimizer and schedule beside PyTorch's, step for step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lampion

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "dampening": 0.3, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adam", {"lr": 0.05, "betas": (0.0, 0.999)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer(name: str, settings: dict[str, Any], dtype: str) -> None:
    mine = _Problem(lampion, lampion.optim, name, settings, dtype)
    yours = _Problem(torch, torch.optim, name, settings, dtype)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    for step in range(20):
        assert mine.step() == pytest.approx(yours.step(), rel=10 * tolerance)
        for a, b in zip(mine.params, yours.params, strict=True):
            np.testing.assert_allclose(
                a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=f"step {step}"
            )
    ours, theirs = mine.optimizer.state_dict(), yours.optimizer.state_dict()
    assert {k: set(s) for k, s in ours["state"].items()} == {k: set(s) for k, s in theirs["state"].items()}
    for mine_, yours_ in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        assert mine_.items() <= yours_.items()


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_state_goes_on_where_it_was_saved(name: str, settings: dict[str, Any]) -> None:
    """Ten steps, a saved state, ten more: as twenty of PyTorch."""
    first = _Problem(lampion, lampion.optim, name, settings, "float64")
    yours = _Problem(torch, torch.optim, name, settings, "float64")
    for _ in range(10):
        first.step()
    second = _Problem(lampion, lampion.optim, name, settings, "float64")
    for a, b in zip(second.params, first.params, strict=True):
        a.data = b.data.clone()
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.turn = first.turn
    for _ in range(10):
        second.step()
    for _ in range(20):
        yours.step()
    for a, b in zip(second.params, yours.params, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-12)


class _Problem:
    """Least squares with a changing gradient; the second parameter is in a group of its own and idle in every third step."""

    def __init__(self, lib: Any, optim: Any, name: str, settings: dict[str, Any], dtype: str) -> None:
        r = np.random.default_rng(1)
        kind = getattr(lib, dtype)
        self.x = lib.tensor(r.standard_normal((20, 6, 4)), dtype=kind)
        self.y = lib.tensor(r.standard_normal((20, 6, 3)), dtype=kind)
        self.params = [
            lib.tensor(r.standard_normal(s), dtype=kind, requires_grad=True) for s in [(4, 3), (3,)]
        ]  # fmt: skip
        groups = [{"params": [self.params[0]]}, {"params": [self.params[1]], "lr": 0.03}]
        self.optimizer = getattr(optim, name)(groups, **settings)
        self.turn = 0

    def step(self) -> float:
        def closure() -> Any:
            self.optimizer.zero_grad()
            w, b = self.params
            out = self.x[self.turn] @ w
            out = out if self.turn % 3 == 1 else out + b
            loss = ((out - self.y[self.turn]) ** 2).mean()
            loss.backward()
            return loss

        loss = self.optimizer.step(closure).item()
        self.turn += 1
        return float(loss)


# ---- schedules ------------------------------------------------------------------------------------------------------

SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda e: 0.95**e),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (e + 1)]),
    "step": lambda s, o: s.StepLR(o, 7, 0.5),
    "multi step": lambda s, o: s.MultiStepLR(o, [5, 5, 20, 33], 0.3),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "constant": lambda s, o: s.ConstantLR(o, 0.5, 10),
    "linear": lambda s, o: s.LinearLR(o, 0.2, 0.9, 15),
    "linear to zero": lambda s, o: s.LinearLR(o, 1.0, 0.0, 15),
    "polynomial": lambda s, o: s.PolynomialLR(o, 20, 2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 50, 0.001),
    "cosine beyond its end": lambda s, o: s.CosineAnnealingLR(o, 12, 0.001),
    "warm restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "longer warm restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, 0.001),
    "one cycle": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=60),
    "one cycle, linear": lambda s, o: s.OneCycleLR(o, [1.0, 0.3], epochs=5, steps_per_epoch=11, anneal_strategy="linear"),
    "one cycle, three phases": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=55, three_phase=True, pct_start=0.4),
    "one cycle, no momentum": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=55, cycle_momentum=False, div_factor=5),
    "warm up, then cosine": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 10), s.CosineAnnealingLR(o, 40)], [10]
    ),
    "three in a row": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 100), s.ExponentialLR(o, 0.9), s.StepLR(o, 3)], [4, 20]
    ),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 1 - 1 / (e + 2)),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 5, 8),
    "cyclic, halved": lambda s, o: s.CyclicLR(o, [0.01, 0.05], [0.2, 0.4], 6, mode="triangular2"),
    "cyclic, exponential": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 4, mode="exp_range", gamma=0.97, cycle_momentum=False),
    "cyclic, by a function": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 4, scale_fn=lambda x: 1 / (x + 1), scale_mode="iterations"),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 8), s.ExponentialLR(o, 0.9)]),
    "chained cosine": lambda s, o: s.ChainedScheduler([s.LinearLR(o, 0.1, 1.0, 8), s.CosineAnnealingLR(o, 60, 0.01)]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning", "ignore:.*epoch parameter.*:UserWarning")
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str, optimizer: str) -> None:
    mine, yours = _optimizer(lampion, optimizer), _optimizer(torch, optimizer)
    ours = SCHEDULES[name](lampion.optim.lr_scheduler, mine)
    theirs = SCHEDULES[name](torch.optim.lr_scheduler, yours)
    for step in range(50):
        for a, b in zip(mine.param_groups, yours.param_groups, strict=True):
            assert a["lr"] == pytest.approx(b["lr"], rel=1e-9, abs=1e-12), f"step {step}"
            key = "momentum" if optimizer == "SGD" else "betas"
            assert a[key] == pytest.approx(b[key], rel=1e-9)
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-9, abs=1e-12)
        ours.step()
        theirs.step()


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
def test_warm_restarts_within_an_epoch() -> None:
    mine, yours = _optimizer(lampion, "SGD"), _optimizer(torch, "SGD")
    ours = lampion.optim.lr_scheduler.CosineAnnealingWarmRestarts(mine, 3, 2)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(yours, 3, 2)
    for epoch in np.arange(0, 20, 0.37).tolist():
        ours.step(epoch)
        theirs.step(epoch)
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mode": "max", "patience": 2, "factor": 0.5},
        {"patience": 1, "cooldown": 3, "threshold": 0.1, "threshold_mode": "abs"},
        {"patience": 0, "min_lr": 0.01, "eps": 1e-3},
        {"mode": "max", "patience": 1, "threshold": 0.05, "min_lr": [0.001, 0.02]},
    ],
)
def test_plateau(settings: dict[str, Any]) -> None:
    r = np.random.default_rng(2)
    mine, yours = _optimizer(lampion, "SGD"), _optimizer(torch, "SGD")
    ours = lampion.optim.lr_scheduler.ReduceLROnPlateau(mine, **settings)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(yours, **settings)
    for metric in (1 / np.arange(1, 51) + 0.2 * r.standard_normal(50)).tolist():
        ours.step(metric)
        theirs.step(metric)
        assert ours.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-9)


def _optimizer(lib: Any, name: str) -> Any:
    params = [lib.zeros(1, requires_grad=True) for _ in range(2)]
    settings = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(lib.optim, name)([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.1, **settings)
