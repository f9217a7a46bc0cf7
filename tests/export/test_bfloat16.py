"""A model of bfloat16 weights keeps them in the file, and computes there what it computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import lampion
from lampion import nn
from lampion_export import export
from lampion_export.errors import UnsupportedError


class Narrow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.line, self.norm = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 5), nn.LayerNorm(5)

    def forward(self, x: Any) -> Any:
        y = self.conv(x.bfloat16()).relu()
        return self.norm(self.line(y.reshape(y.shape[0], -1))).softmax(-1).float()


class Narrowed(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.bfloat16()


def test_bfloat16_weights_are_stored_and_export_agrees(tmp_path: Path) -> None:
    lampion.manual_seed(0)
    model = Narrow().bfloat16().eval()
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    export(model, (x,), tmp_path / "m.onnx", dynamic={"x": {0: "batch"}})  # verifies, and raises where numbers differ
    stored = {w.data_type for w in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert stored == {onnx.TensorProto.BFLOAT16, onnx.TensorProto.INT64}


@pytest.mark.parametrize(
    ("model", "x", "name"),
    [
        (nn.ReLU(), np.ones((2, 3), lampion.bfloat16.numpy), "'input'"),
        (nn.Linear(3, 2).bfloat16(), np.ones((2, 3), lampion.bfloat16.numpy), "'input'"),
        (Narrowed(), np.ones((2, 3), np.float32), "'output'"),
    ],
)  # fmt: skip
def test_bfloat16_at_the_door_is_refused(model: Any, x: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=f"{name} is bfloat16"):
        export(model, (x,), tmp_path / "m.onnx")
