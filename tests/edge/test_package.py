from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
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


def test_importing_it_imports_nothing_until_a_name_is_used() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import lampion_edge; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "lampion_edge lampion_edge.lazily\n"


def test_contents_are_what_they_say() -> None:
    """What type checkers are told, what is there at run time, and what it says of itself."""
    told = {
        alias.asname: node.module
        for node in ast.walk(ast.parse(Path(lampion_edge.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lampion_edge.")
        for alias in node.names
        if alias.asname
    }
    assert told == {name: f"lampion_edge{module}" for name, module in lampion_edge._HOMES.items()}
    assert dir(lampion_edge) == sorted(told)
    for name, module in told.items():
        assert getattr(lampion_edge, name) is getattr(import_module(str(module)), name)


def test_a_misspelt_name_raises() -> None:
    with pytest.raises(AttributeError):
        lampion_edge.Sesion  # type: ignore[attr-defined]  # noqa: B018


def test_running_a_model_reports_to_nobody_and_leaves_no_trace(tmp_path: Path, digits: Callable[..., bytes]) -> None:
    (tmp_path / "m.onnx").write_bytes(digits())
    code = "import os, lampion_edge; lampion_edge.Session('m.onnx'); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | {"HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(("body", "said"), [("", ""), ("raise ImportError('broken')", "noise")])
def test_what_native_code_says_while_it_starts(tmp_path: Path, body: str, said: str) -> None:
    """onnxruntime warns of GPUs that a board doesn't have as soon as it is imported; if it fails, that may be the reason."""
    (tmp_path / "onnxruntime.py").write_text(
        f"import os\nos.write(2, b'noise')\n{body}\ndef set_default_logger_severity(_): ..."
    )
    code = "from lampion_edge.runtime import library\ntry: library()\nexcept ImportError as error: print(error)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "edge")])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout.strip(), done.stderr) == ("broken" if body else "", said)
