"""docs/edge.md: its commands and its Python run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edge.sounds import wav
from edge.update.publishing import resign
from PIL import Image

import lampion_edge
from lampion_edge import METADATA_CARD, Card
from lampion_edge.update.repository import Repository
from lampion_edge.update.signature import new_key
from lampion_edge.update.source import FolderSource
from lampion_edge.update.updating import Rules, install, offered

TEXT = (Path(__file__).parents[2] / "docs" / "edge.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, digits: Callable[..., bytes], card: Card, sounds_path: Path) -> Path:
    """The files that the document speaks of."""
    (tmp_path / "sounds.onnx").write_bytes(sounds_path.read_bytes())
    (tmp_path / "sound.wav").write_bytes(wav(np.full(12000, 0.5)))
    (tmp_path / "model.onnx").write_bytes(digits())
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "photos/a.png"):
        Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(tmp_path / name)
    publish(tmp_path, digits({METADATA_CARD: replace(card, version="0.9").to_json()}))
    return tmp_path


def publish(folder: Path, old: bytes) -> None:
    """A device with an older version, the key, and a stick with a signed newer one."""
    (folder / "release.pub").write_text(new_key(folder / "release.key"))
    for place, content in (("before", old), ("usb", (folder / "model.onnx").read_bytes())):
        (folder / place).mkdir()
        (folder / place / "model.onnx").write_bytes(content)
        resign(folder / place / "model.onnx", folder / "release.key")
    device, source = Repository(folder / "models"), FolderSource(folder / "before")
    device.pin((folder / "release.pub").read_bytes(), "release.pub")
    with device.updating():
        signed = offered(device, source, Rules())
        assert signed is not None
        install(device, source, signed, Rules(), lambda model: None, lambda done, size: None)


def run(command: list[str], folder: Path) -> str:
    path = str(Path(lampion_edge.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": path, "LAMPION_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "error" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("line", LINES)
def test_a_command(folder: Path, line: str) -> None:
    program = f'"{sys.executable}" -m lampion_edge '
    assert run(["bash", "-c", line.replace("lampion-edge ", program)], folder)


def test_the_python(folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    printed = run([sys.executable, "-c", code], folder).splitlines()
    assert printed[5] == "uint8 [batch, 28, 28, 1] ['output'] True ('zero', 'one', 'two')"
    assert printed[6].startswith("photo: not an image")


def test_every_error_is_named() -> None:
    names = [name for name in lampion_edge.__all__ if name.endswith("Error")]
    assert [name for name in names if f"`{name}`" not in TEXT] == []
