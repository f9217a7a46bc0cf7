"""Which int8 files are held to the last bit; tests/boards holds them, on other processors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from lampion import Tensor, nn
from lampion_edge import Session
from lampion_export import export, quantize
from lampion_export.quantization.exactness import is_exact

X = np.random.default_rng(0).standard_normal((8, 3, 8, 8)).astype(np.float32)


def net(*tail: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5), *tail)


class Mean(nn.Module):
    def __init__(self, keepdim: bool) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=self.keepdim)


@pytest.mark.parametrize(
    ("model", "mode", "exact"),
    [
        (net(), "static", True),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Mean(False), nn.Linear(4, 5)), "static", True),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Mean(True), nn.Flatten(), nn.Linear(4, 5)), "static", True),
        (net(), "dynamic", False),
        (net(), "float16", False),
        (net(nn.Softmax(1)), "static", False),
        (nn.Sequential(nn.ConvTranspose2d(3, 2, 3), nn.Flatten(), nn.Linear(200, 2)), "static", False),
    ],
)
def test_golden_samples_hold_to_the_bit(tmp_path: Path, model: nn.Module, mode: str, exact: bool) -> None:
    export(model, X[:2], tmp_path / "m.onnx", quiet=True)
    quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", mode=mode, calibration=X, bound=10, quiet=True)
    session = Session(tmp_path / "q.onnx")
    assert session.golden is not None
    assert is_exact(onnx.load(tmp_path / "q.onnx")) is exact
    assert ((session.golden.rtol, session.golden.atol) == (0, 0)) is exact
    assert session.verify().ok


def test_a_layer_in_float_is_not_exact(tmp_path: Path) -> None:
    export(net(), X[:2], tmp_path / "m.onnx", quiet=True)
    assert not is_exact(onnx.load(tmp_path / "m.onnx"))
