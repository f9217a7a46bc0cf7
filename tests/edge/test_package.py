from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lampion_edge

ROOT = Path(__file__).parents[2]


def test_import_brings_nothing_heavy() -> None:
    heavy = "{'onnxruntime', 'PIL', 'lampion', 'onnx', 'google'}"
    code = f"import sys, lampion_edge, lampion_edge.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_versions_are_equal() -> None:
    root, edge = (
        tomllib.loads((ROOT / path).read_text())["project"] for path in ("pyproject.toml", "edge/pyproject.toml")
    )
    assert root["version"] == edge["version"]
    assert f"lampion-edge[image]=={edge['version']}" in root["dependencies"]


def test_contents_are_what_they_say() -> None:
    assert sorted(lampion_edge.__all__) == sorted(set(lampion_edge.__all__))
    for name in lampion_edge.__all__:
        assert hasattr(lampion_edge, name), name


def test_a_misspelt_name_raises() -> None:
    with pytest.raises(AttributeError):
        lampion_edge.Sesion  # type: ignore[attr-defined]  # noqa: B018
