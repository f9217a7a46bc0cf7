"""`converted`: a user's function in the form in which its control flow survives tracing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType, MethodType
from typing import Any

from lampion_export.autograph.rewrite import rewritten
from lampion_export.autograph.source import compiled, definition, is_users
from lampion_export.autograph.trees import CONTROL

OPERATORS: dict[str, Any] = {}  # what rewritten code calls; `operators.py` fills it


def own(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function as rewritten."""
    function.lampion_own = True  # type: ignore[attr-defined]
    return function


def converted(function: Any) -> Any:
    """The function rewritten; itself if it is not the user's, or its source can't be read."""
    if isinstance(function, MethodType):
        inner = converted(function.__func__)
        return function if inner is function.__func__ else MethodType(inner, function.__self__)
    if not isinstance(function, FunctionType) or hasattr(function, "lampion_own") or not is_users(function.__code__):
        return function
    make = _maker(function.__code__, _Template(function))
    if make is None:
        return function
    made = make(function)
    made.__dict__.update(function.__dict__)
    return own(made)


class _Template:
    """The first function that was seen of some code: all functions of one code are equal here."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Template)

    def __hash__(self) -> int:
        return 0


@cache
def _maker(code: CodeType, like: _Template) -> Callable[[FunctionType], FunctionType] | None:
    tree = definition(code)
    if tree is None:
        return None
    given = {CONTROL + name: operator for name, operator in OPERATORS.items()}
    return compiled(rewritten(tree, _owner(like.function.__qualname__)), like.function, given)


def _owner(name: str) -> str | None:
    """The class that a method is defined in."""
    parts = name.split(".")
    return parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else None
