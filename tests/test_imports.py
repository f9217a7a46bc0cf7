"""The arrows between the four packages, and that their versions agree."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"lampion": "engine", "lampion_export": "export", "lampion_server": "server", "lampion_edge": "edge"}
ALLOWED = {
    "lampion": set(),
    "lampion_edge": set(),
    "lampion_export": {"lampion", "lampion_edge"},
    "lampion_server": {"lampion_edge"},
}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", FOLDERS)
def test_a_package_imports_only_what_its_arrows_allow(package: str) -> None:
    files = sorted((ROOT / FOLDERS[package] / package).rglob("*.py"))
    assert files
    wrong = {
        str(f): sorted(bad) for f in files if (bad := (imported(f) & FOLDERS.keys()) - {package} - ALLOWED[package])
    }
    assert not wrong


@pytest.mark.parametrize(
    ("package", "third_party"),
    [
        ("lampion_edge", {"numpy", "onnxruntime", "PIL", "ml_dtypes", "cryptography"}),
        ("lampion", {"numpy", "ml_dtypes", "safetensors", "threadpoolctl", "tqdm", "PIL", "tensorboardX"}),
    ],
)
def test_a_leaf_needs_only_what_it_declares(package: str, third_party: set[str]) -> None:
    import sys

    known = set(sys.stdlib_module_names) | third_party | {package, "__future__"}
    files = (ROOT / FOLDERS[package] / package).rglob("*.py")
    assert {name: sorted(bad) for f in files if (bad := imported(f) - known) for name in [str(f)]} == {}


def test_both_wheels_have_one_version() -> None:
    root = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    edge = tomllib.loads((ROOT / "edge" / "pyproject.toml").read_text())["project"]
    assert root["version"] == edge["version"]
    assert any(d.replace("[image]", "") == f"lampion-edge=={edge['version']}" for d in root["dependencies"])
