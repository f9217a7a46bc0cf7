"""Takes typed values out of parsed JSON; what is wrong is named by its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lampion_edge.errors import CardError

T = TypeVar("T")
Kind = Callable[[object, str], T]
"""Turns the JSON value at a path into a T, or raises CardError."""


class Fields:
    """One JSON object being read: `take` removes a key, so that `left` ends up with the keys nobody knows.

    Raises CardError when `value` is not an object.
    """

    def __init__(self, value: object, path: str) -> None:
        self.left = dict(mapping(value, path))
        self.path = path

    def take(self, key: str, kind: Kind[T], *default: T) -> T:
        """The value of `key`, or the default where one is given. Raises CardError if it is missing or wrong."""
        path = f"{self.path}.{key}" if self.path else key
        if key in self.left:
            return kind(self.left.pop(key), path)
        if default:
            return default[0]
        raise CardError(f"card: {path} is missing", field=path)


def wrong(path: str, expected: str, got: object) -> CardError:
    """The error for a value that is not what it should be."""
    shown = repr(got)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    where = path or "the top level"
    return CardError(f"card: {where}: expected {expected}, got {shown}", field=path or None)


def mapping(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(path, "an object", value)
    return value


def text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise wrong(path, "a text", value)
    return value


def truth(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(path, "true or false", value)
    return value


def count(low: int, high: int) -> Kind[int]:
    """An integer from `low` to `high`, both included."""

    def kind(value: object, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise wrong(path, f"an integer from {low} to {high}", value)
        return value

    return kind


def number(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise wrong(path, "a number from 0 up", value)
    return float(value)


def choice(*options: str) -> Kind[str]:
    def kind(value: object, path: str) -> str:
        if value not in options:
            raise wrong(path, f"one of {', '.join(options)}", value)
        return str(value)

    return kind


def optional(inner: Kind[T]) -> Kind[T | None]:
    return lambda value, path: None if value is None else inner(value, path)


def sequence(inner: Kind[T], length: int | None = None) -> Kind[tuple[T, ...]]:
    """A list whose items are all of one kind, of `length` items where that is given."""

    def kind(value: object, path: str) -> tuple[T, ...]:
        if not isinstance(value, (list, tuple)) or length not in (None, len(value)):
            raise wrong(path, "a list" if length is None else f"a list of {length}", value)
        return tuple(inner(item, f"{path}[{index}]") for index, item in enumerate(value))

    return kind
