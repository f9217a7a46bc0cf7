"""What goes into the wheel: the source without comments, and without the docstrings of what isn't public.

A device pays for every kilobyte. Lines stay where they are, so that a traceback counts as the repository does. An editable
install takes the source as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from tokenize import COMMENT, generate_tokens
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class StrippedSource(BuildHookInterface):
    """Puts a stripped copy into the wheel in the place of each module."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._folder = TemporaryDirectory()
        public = public_names(Path(self.root))
        for file in list(self.build_config.builder.recurse_included_files()):
            if file.path.endswith(".py"):
                copy = Path(self._folder.name, file.distribution_path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                source = Path(file.path).read_text("utf-8")
                copy.write_bytes(stripped(source, public.get(Path(file.path), set())).encode())
                build_data["force_include"][str(copy)] = file.distribution_path

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._folder.cleanup()


def public_names(root: Path) -> dict[Path, set[str]]:
    """The names that the package exports, by their file: of its table `_HOMES`; and what the package says of itself."""
    package = root / "lampion_edge"
    names = {package / "__init__.py": {"__doc__"}}
    for node in ast.parse((package / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            for name, module in ast.literal_eval(node.value).items():
                names.setdefault(package / f"{module[1:].replace('.', '/')}.py", set()).add(name)
    return names


def stripped(source: str, public: set[str]) -> str:
    """A module as a device needs it."""
    lines = source.split("\n")
    for token in generate_tokens(StringIO(source).readline):
        if token.type == COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for owner in _hidden(ast.parse(source), public, "__doc__" in public):
        _forget(lines, owner)
    return "\n".join(lines).rstrip("\n") + "\n"


def _hidden(owner: ast.AST, public: set[str], shown: bool) -> Iterator[Documented]:
    """Whatever in there has a docstring that `help` of a public name doesn't show."""
    if isinstance(owner, Documented) and not shown and ast.get_docstring(owner) is not None:
        yield owner
    for child in ast.iter_child_nodes(owner):
        name = getattr(child, "name", None) or "_"
        known = name in public if isinstance(owner, ast.Module) else isinstance(owner, ast.ClassDef) and shown
        yield from _hidden(child, public, known and (not name.startswith("_") or name.endswith("__")))


def _forget(lines: list[str], owner: Documented) -> None:
    docstring = owner.body[0]
    first, last = docstring.lineno - 1, (docstring.end_lineno or 0) - 1
    after = lines[last].encode()[docstring.end_col_offset or 0 :].decode()
    lines[first : last + 1] = [""] * (last + 1 - first)
    lines[first] = (" " * docstring.col_offset + _instead(owner) + after).rstrip()


def _instead(owner: Documented) -> str:
    if isinstance(owner, ast.ClassDef) and any("dataclass" in ast.unparse(d) for d in owner.decorator_list):
        return '" "'  # without one, `dataclass` works out a docstring at import, which takes a third of its time
    return "pass" if len(owner.body) == 1 and not isinstance(owner, ast.Module) else ""
