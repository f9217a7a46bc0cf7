"""The models that are timed, written once: with `import torch` in the first line below they are PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import lampion as torch

nn = torch.nn
F = torch.nn.functional
Batch = tuple[Any, Any]  # input and classes, as arrays


def mlp() -> Any:
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def tiny() -> Any:
    return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 10),
    )  # fmt: skip


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Any) -> Any:
        h = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(h)) + self.short(x))


def resnet8() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Residual(16, 16, 1),
        Residual(16, 32, 2), Residual(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


class LastState(nn.Module):
    """Classes from what an LSTM ends with."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(40, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        states, _ = self.lstm(x)
        return self.out(states[:, -1])


class Encoder(nn.Module):
    """Classes from the mean of what a Transformer encoder makes of symbols."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
        self.symbols, self.places = nn.Embedding(1000, 128), nn.Parameter(torch.zeros(64, 128))
        self.encoder, self.out = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        return self.out(self.encoder(self.symbols(x) + self.places).mean(1))


class WordRNN(nn.Module):
    """The class of one word, letter by letter, for as long as the word is."""

    def __init__(self) -> None:
        super().__init__()
        self.letters, self.cell, self.out = nn.Embedding(26, 32), nn.Linear(96, 64), nn.Linear(64, 10)

    def forward(self, word: Any) -> Any:
        h, n = torch.zeros(1, 64), 0
        while n < len(word):
            h = torch.tanh(self.cell(torch.cat([self.letters(word[n : n + 1]), h], 1)))
            n += 1
        return self.out(h)


@dataclass(frozen=True)
class Case:
    """A model and what it is trained on. `dynamic` names the axes that vary from call to call."""

    build: Callable[[], Any]
    batches: Callable[[np.random.Generator], list[Batch]]
    dynamic: dict[str, dict[int, str]] | None = None


def noise(size: int, *shape: int) -> Callable[[np.random.Generator], list[Batch]]:
    return lambda rng: [(rng.standard_normal((size, *shape), np.float32), rng.integers(0, 10, size))]


def words(rng: np.random.Generator) -> list[Batch]:
    return [(rng.integers(0, 26, n), rng.integers(0, 10, 1)) for n in rng.integers(3, 13, 16)]


CASES = {
    "tiny": Case(tiny, noise(16, 4)),
    "mlp": Case(mlp, noise(128, 784)),
    "cnn": Case(cnn, noise(32, 3, 32, 32)),
    "resnet-8": Case(resnet8, noise(32, 3, 32, 32)),
    "lstm": Case(LastState, noise(32, 50, 40)),
    "transformer": Case(Encoder, lambda rng: [(rng.integers(0, 1000, (32, 64)), rng.integers(0, 10, 32))]),
    "word RNN": Case(WordRNN, words, {"x": {0: "letters"}}),
}
