"""Sound features in the graph: a file that takes waves of any length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lampion
from lampion import nn, transforms
from lampion_edge import Session
from lampion_export import export

FEATURES: dict[str, nn.Module] = {
    "mel spectrogram": transforms.MelSpectrogram(8000, 64, n_mels=10),
    "magnitude, constant": transforms.MelSpectrogram(
        8000, 64, hop_length=20, n_mels=10, power=1.0, pad_mode="constant"
    ),
    "not centred": transforms.MelSpectrogram(8000, 64, n_mels=10, center=False),
    "decibels": nn.Sequential(transforms.MelSpectrogram(8000, 64, n_mels=10), transforms.AmplitudeToDB(top_db=60)),
    "mfcc": transforms.MFCC(8000, 5, melkwargs={"n_fft": 64, "n_mels": 10}),
}


@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)
def test_one_file_takes_every_length(features: nn.Module, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "features.onnx"
    sound = rng.standard_normal((1, 800)).astype(np.float32)
    name = "input" if isinstance(features, nn.Sequential) else "waveform"
    export(features, sound, path, dynamic={name: {0: "batch", 1: "time"}}, quiet=True)
    session = Session(path)
    for shape in ((1, 800), (3, 555), (2, 4001)):
        x = rng.standard_normal(shape).astype(np.float32)
        want = features(lampion.from_numpy(x)).numpy()
        np.testing.assert_allclose(session(x), want, rtol=1e-3, atol=1e-4 * np.abs(want).max())
