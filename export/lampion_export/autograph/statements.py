"""`if`, `while`, `for`, `assert` and `raise`: Python's own where everything is known, If, Loop and checks where it isn't."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lampion.checks import check
from lampion.errors import UntraceableError, user_code
from lampion.symbolic import SymBool, SymInt
from lampion.tape import depth
from lampion.tensor import Tensor
from lampion_export.autograph.blocks import Raised, Turns, branch, forever
from lampion_export.autograph.decisions import Thunk, and_, not_, truth
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.sequences import Generator, lazy


def if_(test: Any, then: Thunk, orelse: Thunk) -> None:
    """`if test: then() else: orelse()`"""
    holds = truth(test)
    if isinstance(holds, SymBool):
        branch(holds, then, orelse)
    elif holds:
        then()
    else:
        orelse()


def while_(test: Thunk, body: Thunk, stopped: Thunk | None, live: tuple[str, ...]) -> None:
    """`while test(): body()`, Python's own until the test depends on the data."""

    def go() -> Any:
        return truth(test()) if stopped is None else truth(and_(not_(stopped()), test))

    going = truth(test())
    while not isinstance(going, SymBool):
        if not going:
            return
        body()
        going = go()
    Turns(lambda _: body(), go, live).run(going, None)


def for_(items: Any, body: Callable[[Any], Any], stopped: Thunk | None, live: tuple[str, ...]) -> None:
    """`for item in items: body(item)`, Python's own where the number of items is known."""
    if isinstance(items, Generator):
        if stopped is None:
            return items.run(body)
        items = items.items()
    many = lazy(items)
    if many is None or isinstance(many.size, int):
        return _each(iter(items if many is None else [many.at(i) for i in range(many.size or 0)]), body, stopped, live)
    if not isinstance(many.size, SymInt) and many.size is not None:
        raise UntraceableError(f"a loop over {many.size} turns", "a whole number")

    go = forever if stopped is None else lambda: not_(stopped())
    Turns(lambda i: body(many.at(i)), go, live).run(True, many.size)
    return None


UNROLLED = 4


def _each(items: Iterator[Any], body: Callable[[Any], Any], stopped: Thunk | None, live: tuple[str, ...]) -> None:
    """Turn by turn. Once it depends on the data whether there is another, the rest are branches in each other, or a Loop."""
    for item in items:
        body(item)
        stop = False if stopped is None else truth(stopped())
        if isinstance(stop, SymBool):
            rest = list(items)
            if len(rest) > UNROLLED and (at := _numbered(rest)) is not None:
                return _turns_left(stop, rest, at, body, stopped, live)
            if rest:
                branch(stop, lambda: None, functools.partial(_each, iter(rest), body, stopped, live))
            return None
        if stop:
            return None
    return None


def _numbered(items: list[Any]) -> Callable[[Any], Any] | None:
    """The items by a place that is not known, where they are evenly spaced ints or Tensors of one kind."""
    if all(type(x) is int for x in items):
        step = items[1] - items[0]
        even = all(b - a == step for a, b in itertools.pairwise(items))
        return (lambda i: items[0] + i * step) if even else None
    if all(isinstance(x, Tensor) for x in items):
        return TracedList(items).__getitem__
    return None


def _turns_left(
    stop: SymBool,
    rest: list[Any],
    at: Callable[[Any], Any],
    body: Callable[[Any], Any],
    stopped: Thunk | None,
    live: tuple[str, ...],
) -> None:
    try:
        Turns(lambda i: body(at(i)), lambda: not_(stopped()), live).run(~stop, len(rest))  # type: ignore[misc]
    except UntraceableError:  # something needs to know the turn it is in
        branch(stop, lambda: None, functools.partial(_each, iter(rest), body, stopped, live))


def assert_(test: Any, message: Thunk | None) -> None:
    """`assert test, message()`: what depends on the data is checked when the file runs."""
    holds = truth(test)
    words = "" if message is None else str(message())
    where, text = user_code()
    if isinstance(holds, SymBool):
        check(holds, f"{words or text} ({Path(where).name})")
    elif not holds:
        raise_(AssertionError(words) if words else AssertionError())


def raise_(error: Any, cause: Any = None) -> None:
    """`raise error from cause`"""
    if depth() == 1 or (_tries and _tries[-1] == depth()):
        raise error from cause
    if _tries:
        raise UntraceableError(
            "a `raise` on a way that the data decides about stands inside of `try`",
            "a condition instead of an exception",
        )
    raise Raised(error, user_code()[0])


_tries: list[int] = []


@contextmanager
def trying() -> Iterator[None]:
    """Around what stands in a `try` that has handlers."""
    _tries.append(depth())
    try:
        yield
    finally:
        _tries.pop()
