"""docs/edge.md: its commands and its Python run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lampion_edge

TEXT = (Path(__file__).parents[2] / "docs" / "edge.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, digits: Callable[..., bytes]) -> Path:
    """The files that the document speaks of."""
    (tmp_path / "model.onnx").write_bytes(digits())
    (tmp_path / "photos").mkdir()
    for name in ("photo.png", "photos/a.png"):
        Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(tmp_path / name)
    return tmp_path


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
