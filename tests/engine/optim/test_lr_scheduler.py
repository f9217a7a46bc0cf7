"""Schedules beside their formulas, composed, saved, misused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import lampion
from lampion import optim
from lampion.optim import lr_scheduler as s

FORMULAS: list[tuple[Callable[[Any], Any], Callable[[int], float]]] = [
    (lambda o: s.LambdaLR(o, lambda e: 1 / (1 + e)), lambda e: 0.1 / (1 + e)),
    (lambda o: s.StepLR(o, 3, 0.5), lambda e: 0.1 * 0.5 ** (e // 3)),
    (lambda o: s.MultiStepLR(o, [2, 6]), lambda e: 0.1 * 0.1 ** ((e >= 2) + (e >= 6))),
    (lambda o: s.ExponentialLR(o, 0.9), lambda e: 0.1 * 0.9**e),
    (lambda o: s.ConstantLR(o, 0.5, 4), lambda e: 0.05 if e < 4 else 0.1),
    (lambda o: s.LinearLR(o, 0.5, 1.0, 4), lambda e: 0.1 * (0.5 + 0.125 * min(e, 4))),
    (lambda o: s.PolynomialLR(o, 4, 2), lambda e: 0.1 * (1 - min(e, 4) / 4) ** 2),
    (lambda o: s.CosineAnnealingLR(o, 10, 0.02), lambda e: 0.02 + 0.04 * (1 + math.cos(math.pi * e / 10))),
    (lambda o: s.CosineAnnealingWarmRestarts(o, 4), lambda e: 0.05 * (1 + math.cos(math.pi * (e % 4) / 4))),
    (lambda o: s.SequentialLR(o, [s.ConstantLR(o, 0.1, 100), s.ExponentialLR(o, 0.5)], [3]),
     lambda e: 0.01 if e < 3 else 0.1 * 0.5 ** (e - 3)),
    (lambda o: s.ChainedScheduler([s.StepLR(o, 2, 0.5), s.ExponentialLR(o, 0.9)]),
     lambda e: 0.1 * 0.9**e * 0.5 ** (e // 2)),
]  # fmt: skip


def sgd(lr: float = 0.1, **settings: Any) -> optim.Optimizer:
    return optim.SGD([lampion.zeros(1, requires_grad=True)], lr=lr, **settings)


@pytest.mark.parametrize(("make", "rate"), FORMULAS)
def test_formula(make: Callable[[Any], Any], rate: Callable[[int], float]) -> None:
    optimizer = sgd()
    schedule = make(optimizer)
    for epoch in range(12):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate(epoch), rel=1e-9), f"epoch {epoch}"
        assert schedule.get_last_lr() == [optimizer.param_groups[0]["lr"]]
        schedule.step()


@pytest.mark.parametrize(("make", "rate"), FORMULAS)
def test_state_goes_on_where_it_was_saved(make: Callable[[Any], Any], rate: Callable[[int], float]) -> None:
    one = sgd()
    schedule = make(one)
    for _ in range(5):
        schedule.step()
    state, settings = schedule.state_dict(), one.state_dict()
    two = sgd()
    other = make(two)
    two.load_state_dict(settings)
    other.load_state_dict(state)
    for epoch in range(5, 10):
        assert two.param_groups[0]["lr"] == pytest.approx(rate(epoch), rel=1e-9), f"epoch {epoch}"
        other.step()


def test_a_rate_changed_by_hand_is_scaled_on() -> None:
    optimizer = sgd()
    schedule = s.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 1.0
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5)


def test_every_group_has_its_own_base() -> None:
    params = [{"params": [lampion.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.4)]
    optimizer = optim.SGD(params, lr=1.0)
    s.LambdaLR(optimizer, [lambda e: 0.5, lambda e: 0.25])
    assert [g["lr"] for g in optimizer.param_groups] == [0.05, 0.1]


def test_one_cycle_moves_momentum_the_other_way() -> None:
    optimizer = sgd(momentum=0.9)
    schedule = s.OneCycleLR(optimizer, 1.0, total_steps=11, pct_start=0.5)
    seen = []
    for _ in range(10):
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        schedule.step()
    assert seen[0] == (pytest.approx(0.04), pytest.approx(0.95))
    assert [lr for lr, _ in sorted(seen)] == [lr for lr, _ in sorted(seen, key=lambda pair: -pair[1])]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(4e-6)
    schedule.step()
    with pytest.raises(ValueError, match="called more often than the 11 steps"):
        schedule.step()


def test_plateau_waits_and_state_round_trip() -> None:
    optimizer = sgd()
    schedule = s.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    rates = []
    for metric in (1.0, 0.9, 0.9, lampion.tensor(0.9), 0.9, 0.9):
        schedule.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [0.1, 0.1, 0.1, 0.05, 0.05, 0.025]
    other = s.ReduceLROnPlateau(sgd(), patience=9)
    other.load_state_dict(schedule.state_dict())
    assert (other.best, other.patience) == (0.9, 1)


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: s.StepLR("sgd", 3), TypeError, "StepLR: expected an Optimizer, got str"),  # type: ignore[arg-type]
    (lambda: s.StepLR(sgd(), 0), ValueError, "expected step_size above 0, got 0"),
    (lambda: s.StepLR(sgd(), 3, last_epoch=4), KeyError, "no 'initial_lr'"),
    (lambda: s.LambdaLR(sgd(), [lambda e: 1.0, lambda e: 1.0]), ValueError, "expected 1 functions, one a group, got 2"),
    (lambda: s.LinearLR(sgd(), 0.0), ValueError, r"start_factor in \(0, 1\]"),
    (lambda: s.ConstantLR(sgd(), 2.0), ValueError, "factor between 0 and 1, got 2.0"),
    (lambda: s.CosineAnnealingLR(sgd(), 0), ValueError, "T_max above 0"),
    (lambda: s.OneCycleLR(sgd(), 1.0), ValueError, "expected total_steps, or both epochs and steps_per_epoch"),
    (lambda: s.OneCycleLR(sgd(), 1.0, 9, anneal_strategy="exp"), ValueError, "'cos' or 'linear', got 'exp'"),
    (lambda: s.OneCycleLR(optim.Adagrad([lampion.zeros(1)]), 1.0, 9), ValueError, "no momentum to cycle"),
    (lambda: s.ReduceLROnPlateau(sgd(), factor=1.0), ValueError, "factor below 1"),
    (lambda: s.ReduceLROnPlateau(sgd(), mode="least"), ValueError, "mode 'min' or 'max'"),
    (lambda: s.SequentialLR(sgd(), [], []), ValueError, "at least one schedule"),
    (lambda: s.ChainedScheduler([s.StepLR(sgd(), 1), s.StepLR(sgd(), 1)]), ValueError, "belong to the same optimizer"),
    (lambda: s.LRScheduler(sgd()), NotImplementedError, "expected a method `at`"),
]


@pytest.mark.parametrize(("use", "kind", "message"), WRONG, ids=[m for _, _, m in WRONG])
def test_message(use: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        use()


def test_sequential_needs_a_milestone_between_any_two() -> None:
    optimizer = sgd()
    with pytest.raises(ValueError, match="expected 1 milestones for 2 schedules, got 0"):
        s.SequentialLR(optimizer, [s.StepLR(optimizer, 1), s.StepLR(optimizer, 1)], [])
