"""Items by their place, where their number is not known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lampion.errors import UntraceableError
from lampion.symbolic import SymInt
from lampion.tensor import Tensor
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.proxies import plain


class Lazy(NamedTuple):
    """Items by their place; how many there are may depend on the data, or have no end (None)."""

    size: SymInt | int | None
    at: Callable[[Any], Any]


class LazyItems:
    """An iterable of which only rewritten code asks items."""

    def __init__(self, lazy: Lazy) -> None:
        self.lazy = lazy

    def __iter__(self) -> Any:
        raise UntraceableError("this has a number of items that depends on the data", "a `for` statement over it")

    def __getitem__(self, i: Any) -> Any:
        return self.lazy.at(i)


def lazy(x: Any) -> Lazy | None:
    """The items of x by their place, where their number is not known; None for what Python can go through itself."""
    x = plain(x)
    if isinstance(x, LazyItems):
        return x.lazy
    if isinstance(x, Generator):
        x = x.items()
        return lazy(x) or Lazy(len(x), x.__getitem__)
    if isinstance(x, Tensor) and x.ndim and isinstance(x.shape[0], SymInt):
        return Lazy(x.shape[0], x.__getitem__)
    if isinstance(x, TracedList) and x.grown is not None:
        return Lazy(x.size, x.copy().__getitem__)
    if isinstance(x, itertools.count):
        start, step = _counting(x)
        return Lazy(None, lambda i: start + i * step)
    return None


def _counting(x: Any) -> tuple[Any, Any]:
    parts = x.__reduce__()[1]
    return parts[0], parts[1] if len(parts) > 1 else 1


def indexed(x: Any) -> Lazy:
    """Anything with items, by their place."""
    known = lazy(x)
    if known is not None:
        return known
    if isinstance(x, range):
        return Lazy(len(x), lambda i: x.start + i * x.step)
    items = TracedList(x)
    return Lazy(len(items), items.__getitem__)


class Generator:
    """A generator of the user's: runs to its end, and hands each item to `emit`."""

    def __init__(self, run: Callable[[Callable[[Any], Any]], Any]) -> None:
        self.run = run

    def items(self) -> TracedList:
        """All items."""
        made = TracedList()
        self.run(made.append)
        return made

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items())
