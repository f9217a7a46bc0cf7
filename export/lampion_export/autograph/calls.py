"""Calls: of the user's functions in their new form, of Python's built-in ones, of what is chosen by the data, of libraries."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any, cast

from lampion.control import cond
from lampion.errors import UntraceableError
from lampion.nn.module import Module
from lampion.symbolic import Symbolic, SymInt
from lampion.tensor import Tensor
from lampion_export.autograph import growing
from lampion_export.autograph.conversion import converted
from lampion_export.autograph.decisions import Thunk, choose, is_traced
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.items import comprehension
from lampion_export.autograph.proxies import Choice, TracedText, Unusable, plain
from lampion_export.autograph.source import is_users

BUILTINS: dict[Any, Callable[..., Any]] = {}  # by Python's function; `builtins.py` fills it


def called(function: Any) -> Any:
    """What runs where the user's program calls a function."""
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
    if function is cond or isinstance(function, BuiltinMethodType) or _takes_texts(function):
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        given = [_given(x) for x in args]
        named = {k: _given(x) for k, x in kwargs.items()}
        special = growing.FUNCTIONS.get(function) if given and _is_grown(given[0]) else None
        return (special or function)(*given, **named)

    return call


def _takes_texts(function: Any) -> bool:
    """Whether a function shows texts to somebody: an exception, a warning, a log."""
    if isinstance(function, type):
        return issubclass(function, BaseException)
    return getattr(function, "__module__", "") in ("warnings", "_warnings", "logging")


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
    if isinstance(x, Unusable):
        x.refuse()
    x = plain(x)
    return converted(x) if isinstance(x, FunctionType | MethodType) else x
