"""Packages that die when they are imported, each in its own way; tests/boards has a real one that dies of its instructions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from edge.conftest import absolute_path

from lampion_edge.doctor import packages

FAIL = "import os, signal\n"


def findings(folder: Path, *more: str) -> dict[str, dict[str, str]]:
    """What `doctor` says where the modules in the folder come first."""
    path = os.pathsep.join([str(folder), absolute_path()["PYTHONPATH"]])
    command = [sys.executable, "-m", "lampion_edge", "doctor", "--json", *more]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.stderr == ""
    found = {line["what"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == any(line["level"] == "wrong" for line in found.values())
    return found


def put(folder: Path, module: str, text: str) -> None:
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(text)


@pytest.mark.parametrize(
    ("module", "text", "said", "cure"),
    [
        (
            "onnxruntime",
            FAIL + "os.kill(os.getpid(), signal.SIGILL)",
            "dies of an illegal instruction (SIGILL)",
            "1.21.1",
        ),
        ("numpy", FAIL + "os.kill(os.getpid(), signal.SIGSEGV)", "dies of SIGSEGV", "--force-reinstall"),
        ("numpy", FAIL + "os.kill(os.getpid(), signal.SIGKILL)", "was killed (SIGKILL)", "swap"),
        (
            "onnxruntime",
            "raise ImportError('libm.so.6: version `GLIBC_2.38` not found')",
            "can't be imported: ImportError: libm.so.6: version `GLIBC_2.38` not found",
            "update it (Debian 12 or newer), or take an older version of onnxruntime",
        ),
        ("numpy", "raise ImportError('libx.so: cannot open shared object file')", "libx.so", "with apt"),
    ],
)
def test_a_package_that_dies(tmp_path: Path, module: str, text: str, said: str, cure: str) -> None:
    put(tmp_path, module, text)
    found = findings(tmp_path)[module]
    assert found["level"] == "wrong"
    assert said in found["said"]
    assert cure in found["cure"]


def test_pillow_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    found = {finding.what: finding for finding in packages.findings()}
    assert [(name, finding.level) for name, finding in found.items()] == [
        ("numpy", "wrong"),
        ("onnxruntime", "wrong"),
        ("pillow", "warning"),
    ]
    assert found["pillow"].cure == "pip install 'lampion-edge[image]'"


def test_a_model_is_tried(tmp_path: Path, digits_path: Path) -> None:
    found = findings(tmp_path, str(digits_path))
    assert found["model"]["level"] == "ok"
    assert found["model"]["said"].startswith("digits: 1 of 1 golden samples agree, bit for bit; ")
    (tmp_path / "m.onnx").write_bytes(digits_path.read_bytes()[:-2000])
    damaged = findings(tmp_path, "m.onnx")["model"]
    assert damaged["level"] == "wrong"
    assert damaged["said"].startswith("m.onnx: not an ONNX model, or a damaged one")


def test_a_model_that_kills(tmp_path: Path, digits_path: Path) -> None:
    put(tmp_path, "onnxruntime", FAIL + "os.kill(os.getpid(), signal.SIGILL)")
    found = findings(tmp_path, str(digits_path))["model"]
    assert "the process that runs it dies of an illegal instruction (SIGILL)" in found["said"]


def test_a_folder_with_modules_of_the_same_names(tmp_path: Path) -> None:
    """-P: what lies in the folder one happens to be in is not what a program would import."""
    (tmp_path / "numpy.py").write_text("raise ImportError('not this one')")
    command = [sys.executable, "-P", "-m", "lampion_edge", "doctor", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=absolute_path(), capture_output=True, text=True, check=False)
    assert {json.loads(line)["level"] for line in done.stdout.splitlines()} <= {"ok", "warning"}
