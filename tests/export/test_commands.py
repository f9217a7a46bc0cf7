"""The model that `lampion export` is told of: found, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from lampion import nn
from lampion_export.commands import load_model
from lampion_export.errors import ExportError


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "nets.py"
    path.write_text(
        "from lampion import nn\nnet = nn.Linear(3, 2)\nmake = lambda: net\nnumber = 1\ntext = lambda: 'net'\n"
    )
    return str(path)


@pytest.mark.parametrize("name", ["net", "make"])
def test_a_module_or_what_gives_one(file: str, name: str) -> None:
    assert isinstance(load_model(f"{file}:{name}"), nn.Linear)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{file}", "expected FILE.py:NAME or MODULE:NAME, got"),
        ("{file}:nat", "has no 'nat'"),
        ("{file}:number", "to be or give a Module, got int"),
        ("{file}:text", "to be or give a Module, got str"),
        ("nofile.py:net", "no such file: nofile.py"),
    ],
)
def test_what_is_refused(file: str, spec: str, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        load_model(spec.format(file=file))
