"""Makes a failing program smaller: drops statements, and puts blocks in place of what holds them, while it still fails."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

BLOCKS = ("body", "orelse")
Place = tuple[int, str, int]  # a node by its number, which of its blocks, and the statement in it


def smaller(source: str, fails: Callable[[str], bool]) -> str:
    """The smallest program found that `fails`; the source itself if nothing can go."""
    before = ""
    while source != before:
        before, i = source, 0
        while i < len(places := _places(source)):
            shorter = next((text for text in _without(source, places[i]) if fails(text)), None)
            source, i = (source, i + 1) if shorter is None else (shorter, i)
    return source


def _places(source: str) -> list[Place]:
    """All statements, those that hold most first."""
    found = []
    for number, node in enumerate(ast.walk(ast.parse(source))):
        for block in BLOCKS:
            suite = getattr(node, block, None)
            found += [(s, (number, block, i)) for i, s in enumerate(suite)] if isinstance(suite, list) else []
    return [place for _, place in sorted(found, key=lambda item: -len(ast.unparse(item[0])))]


def _without(source: str, place: Place) -> list[str]:
    """The program without a statement, and with its blocks in its place."""
    tree, (number, block, i) = ast.parse(source), place
    statement = getattr(list(ast.walk(tree))[number], block)[i]
    texts = []
    for replacement in ([], *(getattr(statement, b, None) or [] for b in BLOCKS)):
        changed = copy.deepcopy(tree)
        suite = getattr(list(ast.walk(changed))[number], block)
        suite[i : i + 1] = copy.deepcopy(replacement)
        texts += [ast.unparse(changed)] if suite or block == "orelse" else []
    return [text for text in texts if len(text) < len(source)]
