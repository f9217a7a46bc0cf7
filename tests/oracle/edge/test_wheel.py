"""The wheel as a device gets it: built, measured, compared with the source, installed beside nothing but what it names."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "edge" / "lampion_edge"


def built(project: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, project]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT / "edge", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_it_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 150_000


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lampion_edge"}
    files = [str(file.relative_to(ROOT / "edge")) for file in SOURCE.rglob("*") if file.suffix in (".py", ".typed")]
    assert sorted(name for name in names if ".dist-info/" not in name) == sorted(files)


# --- the source without comments and inner docstrings ---


class Undocumented(ast.NodeTransformer):
    """The tree without docstrings; what has nothing else in it passes."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        return super().generic_visit(node)


def code(source: str) -> ast.AST:
    return Undocumented().visit(ast.parse(source))


def places(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Where everything stands that a traceback may name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr) and not isinstance(node, ast.Pass):
            yield type(node).__name__, node.lineno, node.col_offset


def test_every_module_is_the_same_program_on_the_same_lines(unpacked: Path) -> None:
    for file in SOURCE.rglob("*.py"):
        source, shipped = code(file.read_text()), code((unpacked / file.relative_to(ROOT / "edge")).read_text())
        assert ast.dump(shipped) == ast.dump(source), file
        assert list(places(shipped)) == list(places(source)), file


HELP = """
import pydoc, sys
from contextlib import redirect_stdout, suppress

import lampion_edge
from lampion_edge.cli import main
from lampion_edge.commands import COMMANDS

print(lampion_edge.__file__, file=sys.stderr)
print(lampion_edge.__doc__)
for name in lampion_edge.__all__:
    print(pydoc.plaintext.document(getattr(lampion_edge, name), name))
for name, method in vars(lampion_edge.AsyncClient("http://127.0.0.1:1")).items():
    print(name, method.__doc__ if callable(method) else "")
for command in ([], *([command.name] for command in COMMANDS)):
    with suppress(SystemExit):
        main([*command, "--help"])
"""


def shown(path: Path) -> str:
    """What `help` of every public name and `--help` of every command say where the package lies in this folder."""
    environment = os.environ | {"PYTHONPATH": str(path)}
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == f"{path / 'lampion_edge/__init__.py'}\n"
    return done.stdout


def test_help_says_what_it_says_in_the_source(unpacked: Path) -> None:
    said = shown(unpacked)
    assert "Runs the model in a file (a path, or its bytes), as its card says" in said
    assert said == shown(ROOT / "edge")


def test_no_other_docstring_is_read_by_the_program() -> None:
    readers = {file.name for file in SOURCE.rglob("*.py") if any(w in file.read_text() for w in ("__doc__", "getdoc"))}
    assert readers == {"client.py"}  # AsyncClient's methods, in the test above


TRICKY = '''\
"""Goes."""

import dataclasses  # goes


def inner():
    """Über\\n
    # goes with it
    """  # goes too
    return "# stays" + """# stays
    # stays"""


async def empty():
    "Goes, and the function passes."


@dataclasses.dataclass(frozen=True)
class Inner:
    """Would be worked out."""

    x: int  # goes

    """No docstring: stays."""


class Public(Inner):
    """Stays."""  # goes

    def method(self):
        """Stays."""

        def deeper():
            """Goes."""
            return 1  # goes

    def __len__(self):
        """Stays."""

    def _private(self):
        """Goes."""
        # goes'''

STRIPPED = '''\


import dataclasses


def inner():



    return "# stays" + """# stays
    # stays"""


async def empty():
    pass


@dataclasses.dataclass(frozen=True)
class Inner:
    " "

    x: int

    """No docstring: stays."""


class Public(Inner):
    """Stays."""

    def method(self):
        """Stays."""

        def deeper():

            return 1

    def __len__(self):
        """Stays."""

    def _private(self):
        pass
'''


def test_what_goes_and_what_stays(tmp_path: Path) -> None:
    project, package = tmp_path / "project", tmp_path / "project/lampion_edge"
    (package / "inner").mkdir(parents=True)
    for name in ("pyproject.toml", "hatch_build.py", "README.md"):
        shutil.copy(ROOT / "edge" / name, project)
    (package / "__init__.py").write_text('"""Stays."""\n_HOMES = {"Public": ".inner.tricky"}\n')
    (package / "inner/tricky.py").write_text(TRICKY)
    (package / "tricky.py").write_text('class Public:\n    """Goes: another one of this name."""\n')
    wheel = zipfile.ZipFile(built(project, tmp_path))
    assert wheel.read("lampion_edge/inner/tricky.py").decode() == STRIPPED
    assert wheel.read("lampion_edge/tricky.py").decode() == "class Public:\n    pass\n"
    assert wheel.read("lampion_edge/__init__.py").decode().startswith('"""Stays."""\n')


# --- installed ---


def test_an_editable_install_is_the_source_itself(tmp_path: Path) -> None:
    venv.create(tmp_path)
    pip = [sys.executable, "-m", "pip", "--python", tmp_path / "bin/python"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--editable", ROOT / "edge"], check=True)
    where = [tmp_path / "bin/python", "-c", "import lampion_edge; print(lampion_edge.__file__)"]
    assert subprocess.run(where, capture_output=True, text=True, check=True).stdout == f"{SOURCE / '__init__.py'}\n"


def test_a_source_distribution_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", tools, "hatchling"], check=True)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path]
    subprocess.run(command, check=True, cwd=ROOT / "edge", env=os.environ | {"PYTHONPATH": str(tools)})
    (archive,) = tmp_path.glob("*.tar.gz")
    assert built(archive, tmp_path).read_bytes() == wheel.read_bytes()


def test_a_fresh_environment_needs_only_numpy_and_onnxruntime(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    requires = "import importlib.metadata as m; print([r for r in m.requires('lampion-edge') if 'extra' not in r])"
    done = subprocess.run([python, "-c", requires], capture_output=True, text=True, check=True)
    assert done.stdout == "['numpy>=2.0', 'onnxruntime>=1.21.1']\n"
    command = tmp_path / "env/bin/lampion-edge"
    shown = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "verify" in shown.stdout
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "graph", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.float32([[1, -2]]))
    done = subprocess.run([command, "run", "m.onnx", "x.npy", "--json"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr, json.loads(done.stdout)["outputs"]["y"]) == (0, "", [[-1, 2]])
    for typed, what in (("emulate --board pi4 -- run x", "emulate"), ("bench http://127.0.0.1:1", "bench of a server")):
        done = subprocess.run([command, *typed.split()], capture_output=True, text=True)
        said = (
            f"lampion: error: {what} needs the package lampion, which isn't installed here\nhint: pip install lampion\n"
        )
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
