"""A device's models on an emulated Pi 4, with the genuine wheels: fetched, checked, tried, switched to, and refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from boards.conftest import emulated
from edge.update.publishing import resign

from lampion import nn
from lampion_edge import Session
from lampion_edge.update.signature import new_key
from lampion_export import export

ROW = np.arange(4, dtype=np.float32)[None]


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., Path]:
    """Writes a signed version for some boards into a folder of its own."""
    (tmp_path / "release.pub").write_text(new_key(tmp_path / "release.key"))

    def published(version: str, *boards: str) -> Path:
        path = tmp_path / f"stick{version}" / "rows.onnx"
        path.parent.mkdir()
        export(nn.Linear(4, 3), np.tile(ROW, (2, 1)), path, card={"name": "rows", "version": version}, quiet=True)
        resign(path, tmp_path / "release.key", boards)
        return path

    return published


def test_an_update_on_the_board(publish: Callable[..., Path], tmp_path: Path) -> None:
    def on_pi4(*words: str | Path) -> subprocess.CompletedProcess[str]:
        packages = ["numpy", "onnxruntime", "cryptography"]
        return emulated("pi4", "-m", "lampion_edge", *words, "--models", tmp_path / "models", packages=packages)

    first, second = publish("1", "Raspberry Pi 4"), publish("2", "Raspberry Pi 5", "aarch32")
    assert on_pi4("update", "--pin", tmp_path / "release.pub").returncode == 0
    done = on_pi4("update", first)
    assert (done.returncode, done.stderr) == (0, "")
    assert "golden samples agree" in done.stdout
    refused = on_pi4("update", second)
    assert (refused.returncode, refused.stdout, refused.stderr) == (
        4,
        "",
        "lampion: error: rows 2 is for Raspberry Pi 5 or aarch32; this is Raspberry Pi 4 Model B Rev 1.4 (aarch64)\n",
    )
    assert "rows 1, 3 starts left" in on_pi4("update", "--status").stdout
    np.testing.assert_allclose(Session(tmp_path / "models")(ROW), Session(first)(ROW), rtol=1e-6)
