"""docs/edge.md: what it shows of simulated boards runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "edge.md").read_text()
(BLOCK,) = re.findall(r"<!-- emulated -->\n```\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("line", BLOCK.splitlines())
def test_a_command(line: str, models: Path, tmp_path: Path) -> None:
    program, *words = shlex.split(line)
    assert program == "lampion-edge"
    shutil.copy(models / "digits.int8.onnx", tmp_path / "model.onnx")
    shutil.copytree(models / "digits", tmp_path / "photos")
    shutil.copy(next((models / "digits").glob("*.png")), tmp_path / "photo.png")
    command = [sys.executable, "-m", "lampion_edge", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout != "") == (0, True), done.stderr
