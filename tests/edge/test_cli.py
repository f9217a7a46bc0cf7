from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from lampion_edge import cli

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["run"], "the following arguments are required: MODEL"),
        (["run", "m", "p", "--tpo", "1"], "unrecognized arguments: --tpo 1"),
        (["run", "m", "p", "--top", "0"], "argument --top: expected an integer from 1 up, got '0'"),
        (["run", "m", "p", "--threshold", "2"], "argument --threshold: expected a number from 0 to 1, got '2'"),
        (["bench", "m", "--threads", "1,x"], "argument --threads: expected an integer from 1 up, got 'x'"),
        (["bench", "m", "--seconds", "nan"], "argument --seconds: expected a number of seconds above 0, got 'nan'"),
        (["camera", "m", "--size", "640"], "argument --size: expected WIDTHxHEIGHT such as 640x480, got '640'"),
        (["bench", "m", "--axis", "7"], "argument --axis: expected NAME=SIZE such as time=100, got '7'"),
    ],
)
def test_misspelt_arguments(lampion_edge_command: Run, args: list[str], words: str) -> None:
    done = lampion_edge_command(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: lampion-edge")
    assert words in done.stderr


@pytest.mark.parametrize("command", ["run", "bench", "verify", "info"])
def test_a_missing_model(lampion_edge_command: Run, tmp_path: Path, command: str) -> None:
    done = lampion_edge_command(command, "m.onnx", *(["p.jpg"] if command == "run" else []), cwd=tmp_path)
    assert done.stderr == "lampion: error: m.onnx: there is no such file\nhint: check the path of the model\n"
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("command", ["run", "bench", "verify", "info"])
def test_help(lampion_edge_command: Run, command: str) -> None:
    assert lampion_edge_command(command, "--help").stdout.startswith(f"usage: lampion-edge {command} ")
    assert f"  {command} " in lampion_edge_command("--help").stdout


def test_version(lampion_edge_command: Run) -> None:
    assert lampion_edge_command("--version").stdout.startswith("lampion-edge ")


def test_ctrl_c_while_a_command_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(point: metadata.EntryPoint) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(metadata.EntryPoint, "load", load)
    assert cli.lampion(["serve", "model.onnx"]) == 130


WAITING = """
import time
from contextlib import suppress
from lampion_edge.cli import main
with suppress(SystemExit):
    main(["fly"])
import numpy
before = time.process_time()
time.sleep(0.1)
print(time.process_time() - before)
"""


def test_numpy_waits_asleep() -> None:
    """Processor time: its other threads' too, which the rest of the tests do without."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", WAITING], env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.02
