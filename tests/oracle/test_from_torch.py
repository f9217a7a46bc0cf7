"""`from_torch` against PyTorch: files that answer as the module does, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import lampion
from lampion import transforms
from lampion_edge import Session
from lampion_export import ExportError, MismatchError, from_torch


class Scaled(nn.Module):
    """Fixes what its Python `if` decided of the batch."""

    def forward(self, x: Any) -> Any:
        return x * (2.0 if x.shape[0] > 3 else 1.0)


class Rows(nn.Module):
    """Fixes the number of rows."""

    def forward(self, x: Any) -> Any:
        total = torch.zeros(3)
        for row in x:
            total = total + row
        return total


class Turned(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 2 if x.sum() > 0 else -x


class Both(nn.Module):
    def forward(self, a: Any, b: Any) -> Any:
        return {"sum": a + b, "parts": (a * b,)}


def cnn() -> nn.Module:
    torch.manual_seed(0)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), *head)


def test_file_and_module_agree_at_every_size(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model, path = cnn(), tmp_path / "m.onnx"
    dynamic = {"input": {0: "batch", 2: "height", 3: "width"}}
    exported = from_torch(model, torch.randn(1, 3, 16, 16), path, dynamic=dynamic, card={"name": "t"}, quiet=True)
    assert capfd.readouterr() == ("", "")
    assert model.training
    assert [str(spec) for spec in exported.card.inputs] == ["float32 [batch, 3, height, width]"]
    assert exported.card.training["framework"] == f"torch {torch.__version__}"
    assert exported.card.training["parameters"] == sum(p.numel() for p in model.parameters())
    x = torch.randn(5, 3, 9, 20)
    np.testing.assert_allclose(Session(path)(x.numpy()), model.eval()(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_photos(tmp_path: Path) -> None:
    scaled = transforms.ToDtype(lampion.float32, scale=True)
    normalize = transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.2, 0.3])
    transform = transforms.Compose([transforms.Resize((16, 16)), scaled, transforms.ToChannelsFirst(), normalize])
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    model = cnn().eval()
    from_torch(model, images, tmp_path / "m.onnx", transform=transform, card={"labels": ["a", "b", "c"]}, quiet=True)
    by_hand = (images / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.2, 0.3]
    want = model(torch.from_numpy(by_hand.astype(np.float32).transpose(0, 3, 1, 2))).detach().numpy()
    session = Session(tmp_path / "m.onnx")
    np.testing.assert_allclose(session(images), want, rtol=1e-4, atol=1e-5)
    assert session.predict(images[0]).labels[0].index == want[0].argmax()


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    x = np.ones((2, 3), np.float32)
    from_torch(Both(), (x, 3 * x), tmp_path / "m.onnx", quiet=True)
    total, product = Session(tmp_path / "m.onnx")(a=x, b=3 * x)
    assert (total[0, 0], product[0, 0]) == (4, 3)


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (Scaled(), MismatchError, r"batch = 2 .*DIFFERS"),
        (Rows(), MismatchError, "batch = 1 .*DIFFERS: the file fails where the model does not"),
        (Turned(), ExportError, "torch.onnx refuses Turned: Could not guard on data-dependent"),
    ],
)
def test_what_would_be_fixed_by_accident_is_refused(
    module: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        from_torch(module, np.ones((4, 3), np.float32), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
