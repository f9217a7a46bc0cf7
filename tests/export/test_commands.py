"""The model that `lampion export` is told of: found, or refused in a sentence."""

from __future__ import annotations

import subprocess
import sys
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


NETS = """
from lampion import nn
class Branching(nn.Module):
    def forward(self, x):
        return x * 2 if x.numpy().sum() > 0 else x
linear, branching = nn.Linear(3, 2), Branching()
"""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nets.py:linear", "--shape", "3", "-o", "m.onnx"], 0, ["eager against exported", "batch = 1", "wrote m.onnx"]),
        (["nets.py:linear", "--shape", "4", "-o", "m.onnx"], 1, ["nets.py:linear on an input of shape [2, 4]", "RuntimeError"]),
        (["nets.py:branching", "--shape", "3", "-o", "m.onnx"], 1, ["can't be exported", "nets.py:5", "x.numpy()"]),
        (["nets.py:linear", "--shape", "3", "-o", "none/m.onnx"], 1, ["there is no folder none"]),
        (["nets.py:linear", "--shape", "3", "--weights", "no.pth", "-o", "m.onnx"], 1, ["--weights no.pth", "no such file"]),
        (["nets.py:linear", "--shape", "three", "-o", "m.onnx"], 2, ["--shape", "expected sizes such as 3,224,224"]),
        (["nets.py:linear", "--shape", "3", "-o", "m.onnx", "--card", "card.json"], 1, ["no field 'nmae'"]),
    ],
)  # fmt: skip
def test_the_command_writes_a_file_or_says_why_not(
    arguments: list[str], code: int, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "card.json").write_text('{"nmae": "digits"}')
    command = [
        sys.executable,
        "-c",
        "import sys; from lampion_edge.cli import lampion; sys.exit(lampion())",
        "export",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == code, done.stderr
    assert all(word in done.stdout + done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "m.onnx").exists() == (code == 0)
