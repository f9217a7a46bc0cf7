"""docs/training.md runs, block after block, and its table is what `summary` prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text()


def test_the_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(block, names)
    shown = re.search(r"```\n(layer.*?)```", TEXT, re.S)
    assert shown is not None
    assert shown[1] in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.safetensors", "run.safetensors"]


def test_every_training_example_has_its_row() -> None:
    scripts = {path.name for path in (ROOT / "examples").glob("train_*.py")}
    assert set(re.findall(r"^\| `(train_\w+\.py)`", TEXT, re.M)) == scripts
