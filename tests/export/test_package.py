from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path

import pytest

import lampion_export


def test_the_table_of_contents() -> None:
    """What type checkers are told, what is there at run time, and what it says of itself."""
    told = {
        alias.asname: str(node.module)
        for node in ast.walk(ast.parse(Path(lampion_export.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lampion")
        for alias in node.names
        if alias.asname
    }
    assert told == {name: resolve_name(module, "lampion_export") for name, module in lampion_export._HOMES.items()}
    assert dir(lampion_export) == sorted(told) == lampion_export.__all__
    for name, module in told.items():
        assert getattr(lampion_export, name) is getattr(import_module(module), name)
    with pytest.raises(AttributeError):
        lampion_export.exprot  # type: ignore[attr-defined]  # noqa: B018


def test_what_needs_no_exporter_imports_none() -> None:
    code = "import lampion_export.emulation.command, sys; print({'lampion', 'onnx', 'onnxruntime'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
