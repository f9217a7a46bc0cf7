"""Lists, comprehensions, indexing and f-strings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lampion.errors import UntraceableError
from lampion.ops.promote import as_tensor
from lampion.symbolic import Symbolic, SymInt
from lampion.tensor import Tensor
from lampion_export.autograph.decisions import Thunk, choose, equal, is_traced
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.proxies import Choice, TracedText, Unusable, plain
from lampion_export.autograph.sequences import lazy
from lampion_export.autograph.statements import for_, if_


def list_(items: list[Any]) -> TracedList:
    """`[...]`: a list that may grow by a number of items that the data decides."""
    return TracedList(items)


def spread(starred: tuple[bool, ...], *parts: Any) -> TracedList:
    """`[a, *b]`"""
    made = TracedList()
    for star, part in zip(starred, parts, strict=True):
        if star:
            made.extend(plain(part))
        else:
            made.append(part)
    return made


def item(many: Any, key: Any) -> Any:
    """`many[key]`, also where the place is not known."""
    many, key = plain(many), plain(key)
    if isinstance(many, Tensor | TracedList) or not (isinstance(key, Symbolic) or is_traced(key)):
        return many[key]
    key = key.item() if isinstance(key, Tensor) else key
    if isinstance(many, dict):
        return _by_key(many, key)
    if (sequence := lazy(many)) is not None:
        return sequence.at(key)
    options = tuple(many)
    if any(callable(x) and not isinstance(x, Tensor) for x in options) or all(isinstance(x, str) for x in options):
        return Choice(options, SymInt.element((as_tensor(key) % len(options))._value, 0))
    return TracedList(options)[key]


def _by_key(many: dict[Any, Any], key: Any) -> Any:
    *others, last = many
    result: Thunk = functools.partial(many.__getitem__, last)
    for other in reversed(others):
        result = functools.partial(choose, equal(key, other), functools.partial(many.__getitem__, other), result)
    return result()


def comprehension(
    kind: str, items: Any, pattern: Any, keep: Callable[..., Any], element: Callable[..., Any], flat: bool
) -> Any:
    """`[element for pattern in items if keep]`, and those that make a set, a dict or a generator."""
    result: Any = TracedList()

    def body(one: Any) -> None:
        names = _matched(one, pattern)
        if_(keep(*names), lambda: (result.extend if flat else result.append)(element(*names)), lambda: None)

    for_(items, body, None, ())
    if kind in ("SetComp", "DictComp"):
        if result.grown is not None:
            raise UntraceableError("a set or dict with as many entries as the data decides", "a list")
        return set(result) if kind == "SetComp" else dict(result)
    return result


def _matched(value: Any, pattern: Any) -> list[Any]:
    """The values of the names in a target such as `i, (a, b)`."""
    if pattern is None:
        return [value]
    parts = list(value)
    if len(parts) != len(pattern):
        raise ValueError(f"expected {len(pattern)} values to unpack, got {len(parts)}")
    return [x for part, inner in zip(parts, pattern, strict=True) for x in _matched(part, inner)]


def text(make: Thunk, *values: Any) -> Any:
    """An f-string. With values that are not known it can be printed, and no more."""
    made = make()
    return TracedText(made) if any(isinstance(plain(v), Symbolic | Unusable) or is_traced(v) for v in values) else made
