"""The wheel as a device gets it: built, measured, installed beside nothing but what it names."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT / "edge"]
    subprocess.run(command, check=True)
    (built,) = folder.iterdir()
    return built


def test_it_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 150_000


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lampion_edge"}


def test_a_fresh_environment_needs_only_numpy_and_onnxruntime(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    requires = "import importlib.metadata as m; print([r for r in m.requires('lampion-edge') if 'extra' not in r])"
    done = subprocess.run([python, "-c", requires], capture_output=True, text=True, check=True)
    assert done.stdout == "['numpy>=2.0', 'onnxruntime>=1.21.1']\n"
    shown = subprocess.run([tmp_path / "env/bin/lampion-edge", "--help"], capture_output=True, text=True, check=True)
    assert "verify" in shown.stdout
