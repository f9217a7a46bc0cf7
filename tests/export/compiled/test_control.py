"""Training steps whose forward depends on the data for how long it runs: compiled beside Python, loss by loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn

Batch = tuple[Any, Any]


class WordRNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.cell, self.out = nn.Embedding(26, 16), nn.Linear(32, 16), nn.Linear(16, 5)

    def forward(self, word: Any) -> Any:
        h, n = lampion.zeros(1, 16), 0
        while n < len(word):
            h = self.cell(lampion.cat([self.embedding(word[n : n + 1]), h], 1)).tanh()
            n += 1
        return self.out(h)


class Pondering(nn.Module):
    """Stops by the sum of its own halting values."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.halting = nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x: Any) -> Any:
        h, out, halt, turns = x, x * 0, lampion.zeros(()), 0
        while halt < 0.95 and turns < 12:
            h = self.step(h).tanh()
            p = self.halting(h).mean().sigmoid() * 0.4
            out, halt, turns = out + p * h, halt + p, turns + 1
        return out


def words() -> Iterable[Batch]:
    rng = np.random.default_rng(0)
    for length in [1, 0, 2, 9, *rng.integers(1, 12, 56)]:
        yield lampion.from_numpy(rng.integers(0, 26, length)), lampion.from_numpy(rng.integers(0, 5, 1))


def batches() -> Iterable[Batch]:
    rng = np.random.default_rng(0)
    for _ in range(60):
        yield (
            lampion.from_numpy(rng.standard_normal((4, 8)).astype(np.float32)),
            lampion.from_numpy(rng.integers(0, 8, 4)),
        )


@pytest.mark.parametrize(
    ("make", "data", "dynamic"), [(WordRNN, words, {"x": {0: "letters"}}), (Pondering, batches, None)]
)
def test_the_losses_are_those_of_python(
    make: type[nn.Module], data: Callable[[], Iterable[Batch]], dynamic: Any
) -> None:
    losses = []  # by plain SGD: a gradient of zeros, which a graph has where Python has none, changes nothing
    for compiled in (False, True):
        lampion.manual_seed(0)
        model = make()
        optimizer = lampion.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        function = lampion.compile(step, dynamic=dynamic) if compiled else step
        losses.append([function(x, y).item() for x, y in data()])
        assert not compiled or function.why_not is None  # type: ignore[attr-defined]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


class Limited(Pondering):
    """Stops by its halting values, or after as many turns as it is told."""

    def forward(self, x: Any, limit: Any) -> Any:
        h, out, halt, turns = x, self.step(x), lampion.zeros(()), 0
        while halt < 0.95 and turns < limit:
            h = self.step(h).tanh()
            p = self.halting(h).mean().sigmoid() * 0.4
            out, halt, turns = out + p * h, halt + p, turns + 1
        return out


def word(length: int) -> tuple[Any, ...]:
    return (lampion.arange(length) % 26,)


def start(limit: int) -> tuple[Any, ...]:
    return lampion.arange(32).reshape(4, 8) / 32, lampion.tensor(limit)


@pytest.mark.parametrize(("make", "given", "dynamic"), [(WordRNN, word, {"x": {0: "letters"}}), (Limited, start, None)])
def test_gradients_at_0_1_2_and_many_turns(
    make: type[nn.Module], given: Callable[[int], tuple[Any, ...]], dynamic: Any
) -> None:
    lampion.manual_seed(0)
    model = make()

    def gradients(x: Any, *more: Any) -> Any:
        model.zero_grad()
        loss = model(x, *more).square().sum()
        loss.backward()
        return loss

    run = lampion.compile(gradients, dynamic=dynamic)
    for turns in (0, 1, 2, 3, 20):
        args = given(turns)
        found = []
        for function in (gradients, run):
            loss = function(*args).item()
            found.append([loss, *[0 if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]])
        for want, got in zip(*found, strict=True):
            np.testing.assert_allclose(got, want + np.zeros_like(got), 1e-4, 1e-6, err_msg=f"{turns} turns")
    assert run.why_not is None
    assert len(run._entries) == 1
