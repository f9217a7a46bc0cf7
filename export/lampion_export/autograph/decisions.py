"""What is true: `and`, `or`, `not`, comparisons and the conditional expression on what is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampion
from lampion.ops.promote import as_tensor
from lampion.symbolic import Spec, Symbolic, SymBool, SymInt
from lampion.symbolic_float import SymFloat
from lampion.tensor import Tensor
from lampion_export.autograph.blocks import branch
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.objects import MISSING
from lampion_export.autograph.proxies import Choice, Maybe, Told, plain

Thunk = Callable[[], Any]


def truth(x: Any) -> bool | SymBool:
    """Whether x counts as true: a bool, or a SymBool where that depends on the data."""
    if isinstance(x, SymBool):
        return x
    if isinstance(x, SymInt):
        return x != 0
    if isinstance(x, Symbolic):
        return truth(x != SymFloat.of(0.0))
    if isinstance(x, Maybe):
        if isinstance(x.inner, Tensor | Symbolic):
            return and_(Told(x.there, ((x, True),)), lambda: x.inner)
        return Told(x.there, ((x, True),))
    if isinstance(x, TracedList):
        return x.size > 0
    if isinstance(x, Choice):
        return _any_of(x, bool)
    if is_traced(x):
        return SymBool("is", as_tensor(x.reshape(()), lampion.bool))
    return bool(x)


def is_traced(x: Any) -> bool:
    """Whether x is a Tensor whose numbers are not known."""
    return isinstance(x, Tensor) and isinstance(x._value.data, Spec)


def not_(x: Any) -> Any:
    """`not x`"""
    holds = truth(x)
    return ~holds if isinstance(holds, SymBool) else not holds


def and_(first: Any, *others: Thunk) -> Any:
    """`first and ...`: what follows is asked only where what precedes holds."""
    for other in others:
        holds = truth(first)
        if isinstance(holds, SymBool):
            first = _both(holds, other, first)
        elif not holds:
            return first
        else:
            first = other()
    return first


def or_(first: Any, *others: Thunk) -> Any:
    """`first or ...`: what follows is asked only where what precedes doesn't hold."""
    for other in others:
        holds = truth(first)
        if isinstance(holds, SymBool):
            first = _either(holds, other, first)
        elif holds:
            return first
        else:
            first = other()
    return first


def _either(holds: SymBool, other: Thunk, first: Any) -> Any:
    return choose(holds, lambda: True if _is_truth(first) else first, lambda: _as_truth(other()))


def _both(holds: SymBool, other: Thunk, first: Any) -> Any:
    return choose(holds, lambda: _as_truth(other()), lambda: first if not _is_truth(first) else False)


def _is_truth(x: Any) -> bool:
    """Whether x is used as a bool: what it is then is all that counts."""
    return isinstance(x, bool | SymBool) or (isinstance(x, Tensor) and x.dtype is lampion.bool)


def _as_truth(x: Any) -> Any:
    return truth(x) if _is_truth(x) else x


def choose(test: Any, then: Thunk, orelse: Thunk) -> Any:
    """`then() if test else orelse()`"""
    holds = truth(test)
    if not isinstance(holds, SymBool):
        return then() if holds else orelse()
    value: Any = MISSING

    def take() -> None:
        nonlocal value
        value = then()

    def leave() -> None:
        nonlocal value
        value = orelse()

    branch(holds, take, leave)
    return value


# ---- comparisons -----------------------------------------------------------------------------------------------------


def compare(kinds: tuple[str, ...], left: Any, *others: Thunk) -> Any:
    """A chain of comparisons: each operand is asked once, and only while the ones before hold."""
    right = others[0]()
    result = _COMPARISONS[kinds[0]](left, right)
    if len(kinds) == 1:
        return result
    return and_(result, lambda: compare(kinds[1:], right, *others[1:]))


def equal(a: Any, b: Any) -> Any:
    """`a == b`, also of tuples that hold traced numbers, and of one object among several."""
    a, b = plain(a), plain(b)
    if isinstance(a, Choice) or isinstance(b, Choice):
        choice, other = (a, b) if isinstance(a, Choice) else (b, a)
        return _any_of(choice, lambda option: option == other)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list) and _is_open(a, b):
        if len(a) != len(b):
            return False
        return and_(True, *[lambda x=x, y=y: equal(x, y) for x, y in zip(a, b, strict=True)])
    return a == b


def _is_open(*many: Any) -> bool:
    items = [x for xs in many if not getattr(xs, "grown", None) for x in xs]
    return any(isinstance(x, Symbolic | Choice | tuple | list) or is_traced(x) for x in items)


def contains(x: Any, many: Any) -> Any:
    """`x in many`"""
    many = plain(many)
    if isinstance(many, TracedList) and many.grown is not None:
        return many.has(plain(x))
    if is_traced(many):
        return SymBool("is", (many == plain(x)).any())
    if (
        not isinstance(x, Symbolic | Choice)
        and not is_traced(x)
        and not (isinstance(many, tuple | list) and _is_open(many))
    ):
        return x in many
    if isinstance(many, range):
        inside = and_(x >= many.start, lambda: x < many.stop, lambda: (x - many.start) % many.step == 0)
        return inside if many.step > 0 else or_(*[equal(x, many[0])], *[lambda y=y: equal(x, y) for y in many[1:]])
    return or_(False, *[lambda y=y: equal(x, y) for y in many])


def is_(a: Any, b: Any) -> Any:
    """`a is b`"""
    if isinstance(a, Maybe) and b is None:
        return Told(~a.there, ((a, False),))
    if isinstance(a, Choice):
        return _any_of(a, lambda option: option is b)
    if isinstance(a, SymBool) and isinstance(b, bool):
        return a if b else ~a
    return a is b


def _any_of(choice: Choice, holds: Callable[[Any], Any]) -> SymBool:
    return SymBool("is", lampion.tensor([bool(holds(option)) for option in choice.options])[choice.index])


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "Eq": equal,
    "NotEq": lambda a, b: not_(equal(a, b)) if not isinstance(a, Tensor) and not isinstance(b, Tensor) else a != b,
    "In": contains,
    "NotIn": lambda a, b: not_(contains(a, b)),
    "Is": is_,
    "IsNot": lambda a, b: not_(is_(a, b)),
    "Lt": lambda a, b: a < b,
    "LtE": lambda a, b: a <= b,
    "Gt": lambda a, b: a > b,
    "GtE": lambda a, b: a >= b,
}
