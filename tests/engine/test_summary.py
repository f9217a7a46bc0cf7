"""What `summary` counts, against PyTorch-free formulas, and its table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn

X = lampion.zeros(2, 5, dtype=lampion.int64)

# model, input, output, parameters, multiply-adds
LAYERS: dict[str, tuple[nn.Module, Any, tuple[int, ...], int, int]] = {
    "linear": (nn.Linear(4, 3), (2, 7, 4), (2, 7, 3), 15, 2 * 7 * 4 * 3),
    "no bias": (nn.Linear(4, 3, bias=False), np.zeros((2, 4), np.float32), (2, 3), 12, 2 * 4 * 3),
    "conv": (nn.Conv2d(4, 6, 3, stride=2, groups=2), (2, 4, 9, 9), (2, 6, 4, 4), 6 * 2 * 9 + 6, 2 * 6 * 16 * 2 * 9),
    "transposed": (nn.ConvTranspose1d(4, 6, 3), (2, 4, 5), (2, 6, 7), 4 * 6 * 3 + 6, 2 * 4 * 5 * 6 * 3),
    "norm": (nn.BatchNorm1d(4), (2, 4), (2, 4), 8, 0),
    "embedding": (nn.Embedding(9, 4), X, (2, 5, 4), 36, 0),
    "gru": (nn.GRU(4, 8), (5, 2, 4), (5, 2, 8), 24 * 4 + 24 * 8 + 48, 5 * 2 * (24 * 4 + 24 * 8)),
    "lstm": (nn.LSTM(4, 8, bidirectional=True), (5, 2, 4), (5, 2, 16), 2 * (32 * 12 + 64), 2 * 5 * 2 * 32 * 12),
}


@pytest.mark.parametrize(("model", "input", "output", "parameters", "products"), LAYERS.values(), ids=LAYERS)
def test_a_layer_is_counted(model: Any, input: Any, output: tuple[int, ...], parameters: int, products: int) -> None:
    [layer] = lampion.summary(model, input).layers
    assert (layer.kind, layer.output, layer.parameters) == (type(model).__name__, output, parameters)
    assert layer.multiply_adds == products


class Shared(nn.Module):
    """A layer twice, one that is never called, weights of its own, and a product between layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.body[0].weight
        self.idle = nn.Linear(4, 9)
        self.scale = nn.Parameter(lampion.ones(4, 4))

    def forward(self, x: Any) -> Any:
        return self.tied(self.body(self.body(x)) @ self.scale)


def test_every_product_goes_to_the_innermost_call() -> None:
    found = lampion.summary(Shared(), (3, 4))
    rows = [(la.name, la.output, la.parameters, la.multiply_adds) for la in found.layers]
    assert rows == [
        ("", (3, 4), 16, 48),
        ("body.0", (3, 4), 20, 2 * 48),
        ("body.1", (3, 4), 0, 0),
        ("tied", (3, 4), 4, 48),
        ("idle", None, 45, 0),
    ]
    assert (found.parameters, found.multiply_adds) == (sum(p.numel() for p in Shared().parameters()), 4 * 48)


def test_the_table() -> None:
    model = nn.Sequential(nn.Linear(1000, 2000), nn.ReLU())
    assert str(lampion.summary(model, (1, 1000))).splitlines() == [
        "layer  kind    output     parameters  multiply-adds",
        "---------------------------------------------------",
        "0      Linear  [1, 2000]   2,002,000      2,000,000",
        "1      ReLU    [1, 2000]           0              0",
        "---------------------------------------------------",
        "total                      2,002,000      2,000,000",
    ]


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    before = {name: t.numpy().copy() for name, t in model.state_dict().items()}
    model[2].eval()
    with pytest.raises(RuntimeError):
        lampion.summary(model, (2, 5))
    lampion.summary(model, (2, 4))
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert not any(m._module_hooks for m in model.modules())
    for name, t in model.state_dict().items():
        np.testing.assert_array_equal(t.numpy(), before[name])
    model(lampion.ones(2, 4)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
