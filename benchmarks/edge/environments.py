"""A fresh environment for each engine, with the packages it names and nothing else, and what that takes on the disk."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

EDGE = Path(__file__).parents[2] / "edge"
EXTRA = ("ml-dtypes", "typing-extensions")
PACKAGES = {
    "lampion": [str(EDGE)],
    "onnxruntime": ["onnxruntime"],
    "litert": ["ai-edge-litert"],
    "ncnn": ["ncnn"],
    # pnnx names PyTorch, which its program does without.
    "convert": ["--no-deps", "pnnx", "ai-edge-litert", "flatbuffers", "onnx", "protobuf", "numpy", *EXTRA],
}


def environment(folder: Path, name: str) -> Path:
    """The python of a new environment for the engine."""
    place = folder / name
    venv.create(place, clear=True, with_pip=False)
    python = place / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, "--disable-pip-version-check", *PACKAGES[name]], check=True)
    return python


def size(python: Path, package: str = "") -> int:
    """Bytes of what was installed, or of one package of it, without what Python compiles at the first import."""
    (site,) = python.parents[1].glob("lib/*/site-packages")
    files = (path for path in (site / package).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sum(path.lstat().st_size for path in files)


def version(python: Path, package: str) -> str:
    """The version of a package in an environment."""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return subprocess.run([python, "-c", code, package], check=True, capture_output=True, text=True).stdout.strip()
