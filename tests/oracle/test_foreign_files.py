"""Published ONNX files of other makers: with a card, they answer as they did without."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from lampion_edge import Session
from lampion_export import add_card


def files() -> list[Path]:
    """Silero's voice detectors, with `If`s, states and a scalar; Magika's classifier of file contents, of TensorFlow."""
    folders = [Path(str(spec.origin)).parent for name in ("silero_vad", "magika") if (spec := find_spec(name))]
    return sorted(path for folder in folders for path in folder.rglob("*.onnx"))


def test_there_are_some() -> None:
    assert {"silero_vad.onnx", "model.onnx"} <= {path.name for path in files()}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_a_card_changes_nothing_else(path: Path, tmp_path: Path) -> None:
    add_card(path, tmp_path / "m.onnx", card={"name": "foreign"}, quiet=True)
    session = Session(tmp_path / "m.onnx")
    assert session.verify().ok
    assert session.golden is not None
    inputs, _ = session.golden.samples[0]
    plain = onnxruntime.InferenceSession(path)
    for want, got in zip(plain.run(None, inputs), session.run(inputs).values(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
