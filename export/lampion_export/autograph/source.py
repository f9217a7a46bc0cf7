"""From a function to the tree of its source, and from a changed tree back to a function with the same globals and cells."""

from __future__ import annotations

import ast
import linecache
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

import lampion

Definition = ast.FunctionDef | ast.Lambda

HERE = str(Path(__file__).parent.parent)
LIBRARIES = (str(Path(lampion.__file__).parent), HERE, str(Path(np.__file__).parent))
STANDARD = sysconfig.get_path("stdlib")


def is_users(code: CodeType) -> bool:
    """Whether code is the user's, in a file: not lampion's, not numpy's, not of Python's own library, not typed at a prompt."""
    return not is_librarys(code) and not code.co_filename.startswith("<")


def is_librarys(code: CodeType) -> bool:
    """Whether code is lampion's, numpy's or of Python's own library."""
    name = code.co_filename
    return name.startswith(LIBRARIES) or (name.startswith(STANDARD) and "site-packages" not in name)


def definition(code: CodeType) -> Definition | None:
    """The `def` or `lambda` that code was compiled from; None if its source can't be read."""
    found = [node for node in _definitions(code.co_filename) if _first_line(node) == code.co_firstlineno]
    if code.co_name != "<lambda>":
        return next((n for n in found if isinstance(n, ast.FunctionDef) and n.name == code.co_name), None)
    start, end = _extent(code)
    around = [n for n in found if isinstance(n, ast.Lambda) and _start(n.body) <= start and end <= _end(n.body)]
    return max(around, key=lambda n: _start(n.body), default=None)


def compiled(
    tree: ast.FunctionDef, like: FunctionType, given: Mapping[str, Any]
) -> Callable[[FunctionType], FunctionType]:
    """Compiles a changed definition of `like`; gives what makes such a function for other closures of the same code.

    given: names that the tree uses beside those of `like`, with their values.
    """
    name, tree.name = tree.name, "lampion_made"  # under its own name it would hide a global that it may call
    tree.decorator_list = []
    tree.args.defaults, tree.args.kw_defaults = [], [None] * len(tree.args.kwonlyargs)
    free = [*given, *like.__code__.co_freevars]  # as parameters of a function around it, they are free in it
    factory = ast.FunctionDef(
        name="lampion_factory",
        args=ast.arguments(posonlyargs=[], args=[ast.arg(name) for name in free], kwonlyargs=[], kw_defaults=[], defaults=[]),
        body=[tree],
        decorator_list=[],
    )  # fmt: skip
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(factory, tree)], []))
    flags = like.__code__.co_flags & 0x1000000  # from __future__ import annotations
    [outer] = _codes(compile(module, like.__code__.co_filename, "exec", flags, dont_inherit=True))
    code = next(_codes(outer)).replace(co_name=name)

    def make(function: FunctionType) -> FunctionType:
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        cells.update({name: CellType(value) for name, value in given.items()})
        closure = tuple(cells[name] for name in code.co_freevars)
        made = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
        made.__kwdefaults__ = function.__kwdefaults__
        made.__qualname__ = function.__qualname__
        return made

    return make


def _codes(code: CodeType) -> Iterator[CodeType]:
    return (c for c in code.co_consts if isinstance(c, CodeType))


def _definitions(path: str) -> list[Definition]:
    return _parsed("".join(linecache.getlines(path)))


@cache
def _parsed(text: str) -> list[Definition]:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # the file was changed since
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]


def _first_line(node: Definition) -> int:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return min([node.lineno, *[d.lineno for d in decorators]])


def _extent(code: CodeType) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last position (line, column) of what code computes."""
    places = [p for p in list(code.co_positions())[1:] if None not in p and p[2:] != (0, 0)]
    starts = [(line or 0, column or 0) for line, _, column, _ in places]
    ends = [(line or 0, column or 0) for _, line, _, column in places]
    return min(starts, default=(0, 0)), max(ends, default=(0, 0))


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0
