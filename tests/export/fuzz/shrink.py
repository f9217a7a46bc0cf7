"""Makes a failing program smaller: drops statements, and puts blocks in place of what holds them, while it still fails."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

BLOCKS = ("body", "orelse")


def smaller(source: str, fails: Callable[[str], bool]) -> str:
    """The smallest program found that `fails`; the source itself if nothing can go."""
    tree, shrunk = ast.parse(source), True
    while shrunk:
        shrunk = False
        for candidate in _candidates(tree):
            if fails(text := ast.unparse(candidate)):
                tree, source, shrunk = candidate, text, True
                break
    return source


def _candidates(tree: ast.Module) -> Iterator[ast.Module]:
    """The program with one thing less, large things first."""
    places = [(node, block, i) for node, block, i in _statements(tree)]
    places.sort(key=lambda place: -len(ast.unparse(getattr(place[0], place[1])[place[2]])))
    for node, block, i in places:
        path = _path(tree, node)
        statement = getattr(node, block)[i]
        for replacement in ([], *(getattr(statement, b, []) for b in BLOCKS)):
            changed = copy.deepcopy(tree)
            suite = getattr(_at(changed, path), block)
            suite[i : i + 1] = copy.deepcopy(replacement)
            if suite or block == "orelse":
                yield changed


def _statements(tree: ast.Module) -> Iterator[tuple[ast.AST, str, int]]:
    for node in ast.walk(tree):
        for block in BLOCKS:
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                yield from ((node, block, i) for i in range(len(statements)))


def _path(tree: ast.AST, wanted: ast.AST) -> int:
    return next(i for i, node in enumerate(ast.walk(tree)) if node is wanted)


def _at(tree: ast.AST, path: int) -> ast.AST:
    return next(node for i, node in enumerate(ast.walk(tree)) if i == path)
