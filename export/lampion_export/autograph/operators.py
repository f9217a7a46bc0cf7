"""What rewritten code calls: Python's own statements where everything is known, If and Loop where it isn't."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any, cast

import lampion
from lampion.checks import check
from lampion.control import cond
from lampion.errors import UntraceableError, user_code
from lampion.nn.module import Module
from lampion.ops.promote import as_tensor
from lampion.symbolic import Spec, Symbolic, SymBool, SymInt
from lampion.symbolic_float import SymFloat
from lampion.tape import depth
from lampion.tensor import Tensor
from lampion_export.autograph import growing
from lampion_export.autograph.blocks import Raised, Turns, branch, forever
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.objects import MISSING
from lampion_export.autograph.proxies import Choice, Maybe, Told, TracedText, Unusable, plain
from lampion_export.autograph.source import is_users

Thunk = Callable[[], Any]

# ---- truth -----------------------------------------------------------------------------------------------------------


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

# ---- statements ------------------------------------------------------------------------------------------------------


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
    from lampion_export.autograph.builtins import lazy

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
        check(holds, f"{words or text} ({where})")
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


# ---- texts and generators -------------------------------------------------------------------------------------------


def text(make: Thunk, *values: Any) -> Any:
    """An f-string. With values that are not known it can be printed, and no more."""
    made = make()
    return TracedText(made) if any(isinstance(plain(v), Symbolic | Unusable) or is_traced(v) for v in values) else made


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


def generator(run: Callable[[Callable[[Any], Any]], Any]) -> Generator:
    """What calling a generator function gives."""
    return Generator(run)


# ---- lists -----------------------------------------------------------------------------------------------------------


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
    from lampion_export.autograph.builtins import lazy

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


# ---- calls -----------------------------------------------------------------------------------------------------------


def own(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function as rewritten."""
    function.lampion_own = True  # type: ignore[attr-defined]
    return function


def called(function: Any) -> Any:
    """What runs where the user's program calls a function."""
    from lampion_export.autograph.builtins import BUILTINS
    from lampion_export.autograph.conversion import converted

    function = plain(function)
    if isinstance(function, Choice):
        return functools.partial(_one_of, function)
    if isinstance(function, Unusable):
        return function
    if isinstance(function, functools.partial):
        return functools.partial(called(function.func), *function.args, **function.keywords)
    try:
        if function in BUILTINS:
            return BUILTINS[function]
    except TypeError:  # not hashable
        pass
    if isinstance(function, MethodType) and function.__func__ is Tensor.tolist and is_traced(function.__self__):
        return functools.partial(_numbers_of, cast(Tensor, function.__self__))
    if isinstance(function, FunctionType | MethodType):
        made = converted(function)
        return made if made is not function or hasattr(function, "lampion_own") else _from_library(function)
    if isinstance(function, functools._lru_cache_wrapper):
        return called(function.__wrapped__)
    if isinstance(function, type) and _is_plain_class(function):
        return functools.partial(_instance, function)
    if not isinstance(function, type | Module | BuiltinMethodType) and is_users_callable(function):
        return converted(MethodType(type(function).__call__, function))
    if isinstance(getattr(function, "__self__", None), TracedList) and function.__self__.grown is not None:
        raise UntraceableError(
            f"list.{function.__name__} of a list whose length depends on the data",
            "append, extend, insert, pop, indexing",
        )
    return _from_library(function)


def _numbers_of(x: Tensor) -> Any:
    """`x.tolist()`: Python numbers."""
    if x.ndim != 1:
        return x.item() if x.ndim == 0 else x.tolist()
    if not isinstance(x.shape[0], SymInt):
        return TracedList(row.item() for row in x)
    return comprehension("ListComp", x, None, lambda _: True, lambda row: row.item(), False)


def _is_plain_class(kind: type) -> bool:
    """Whether making an instance is no more than the user's `__init__`."""
    start = kind.__init__  # type: ignore[misc]
    plain_new = getattr(kind, "__new__", None) is object.__new__ and type(kind) is type
    return plain_new and isinstance(start, FunctionType) and is_users(start.__code__)


def _instance(kind: type, *args: Any, **kwargs: Any) -> Any:
    made: Any = object.__new__(kind)
    called(made.__init__)(*args, **kwargs)
    return made


def is_users_callable(x: Any) -> bool:
    """Whether x is an object whose class defines `__call__` in the user's code."""
    call = getattr(type(x), "__call__", None)  # noqa: B004
    return isinstance(call, FunctionType) and is_users(call.__code__)


def _one_of(choice: Choice, *args: Any, **kwargs: Any) -> Any:
    """Calls the function that is chosen at run time."""
    *others, last = range(len(choice.options))
    result: Thunk = lambda: called(choice.options[last])(*args, **kwargs)  # noqa: E731
    for i in reversed(others):
        this: Thunk = lambda i=i: called(choice.options[i])(*args, **kwargs)  # type: ignore[misc]  # noqa: E731
        result = functools.partial(choose, choice.index == i, this, result)
    return result()


def _from_library(function: Any) -> Any:
    """A function that is not the user's: it gets plain values, and the user's functions in their new form."""
    if isinstance(getattr(function, "__self__", None), str | dict | set):
        return functools.partial(_of_container, function)
    if function is cond or isinstance(function, BuiltinMethodType):
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        given = [_given(x) for x in args]
        named = {k: _given(x) for k, x in kwargs.items()}
        special = growing.FUNCTIONS.get(function) if given and _is_grown(given[0]) else None
        return (special or function)(*given, **named)

    return call


def _of_container(method: Any, *args: Any, **kwargs: Any) -> Any:
    """A method of a text, a dict or a set: its arguments are looked at."""
    given = [*args, *kwargs.values()]
    open_ones = [x for x in given if isinstance(plain(x), Symbolic | Choice | Unusable) or is_traced(plain(x))]
    if open_ones and isinstance(method.__self__, str):
        return TracedText(method(*args, **kwargs))
    if args and isinstance(args[0], Symbolic | Choice):
        kind = type(method.__self__).__name__
        raise UntraceableError(
            f"{kind}.{method.__name__} with a key that depends on the data", "a tensor, indexed by the key"
        )
    return method(*args, **kwargs)


def _is_grown(x: Any) -> bool:
    return isinstance(x, TracedList) and x.grown is not None


def _given(x: Any) -> Any:
    from lampion_export.autograph.conversion import converted

    if isinstance(x, Unusable):
        x.refuse()
    x = plain(x)
    return converted(x) if isinstance(x, FunctionType | MethodType) else x
