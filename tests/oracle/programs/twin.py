"""The programs of tests/export/programs with PyTorch in lampion's place."""

from __future__ import annotations

import ast

from export.programs.program import Program, families, loaded, programs_of


def twins() -> dict[tuple[str, str], Program]:
    """All programs, with PyTorch, by family and name."""
    modules = [loaded(path, "oracle.programs.with_torch", _swapped) for path in families()]
    return {(p.family, p.name): p for module in modules for p in programs_of(module)}


def _swapped(tree: ast.Module) -> ast.Module:
    """`import lampion as torch` becomes `import torch`: the only lines in which the two differ."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "lampion":
            node.module = "torch"
        elif isinstance(node, ast.alias) and node.name == "lampion":
            node.name = "torch"
    return tree
