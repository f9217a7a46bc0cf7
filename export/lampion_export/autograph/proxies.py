"""Stand-ins for values that a graph has no form for: one of several objects, something or None, what can't be one value."""

from __future__ import annotations

import operator
from typing import Any

from lampion.errors import UntraceableError
from lampion.symbolic import SymBool, SymInt


class Choice:
    """One of some objects (functions, modules, texts), by a place that is known only at run time."""

    def __init__(self, options: tuple[Any, ...], index: SymInt) -> None:
        self.options, self.index = options, index

    def __bool__(self) -> bool:
        raise UntraceableError("which object this is depends on the data", "compare it with ==, or call it")


class Maybe:
    """None, or a value where `there` holds. It is used as the value: where it is None, the program would have failed."""

    def __init__(self, there: SymBool, inner: Any, template: Any) -> None:
        self.there, self.inner, self.template = there, inner, template

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __getitem__(self, key: Any) -> Any:
        return self.inner[key]

    def __neg__(self) -> Any:
        return -self.inner


class Unusable:
    """What can't be used, and why."""

    instead = "give it one dtype, one number of dims and one structure on every way"

    def __init__(self, why: str, where: str | None = None) -> None:
        self.why, self.where = why, where

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Raises UntraceableError with the reason."""
        raise UntraceableError(self.why, self.instead)

    def refuse_output(self) -> None:
        """The same where the function that was traced returns it, which has no line of its own."""
        raise UntraceableError(self.why, self.instead, self.where)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.refuse()

    __bool__ = __len__ = __iter__ = __call__ = __getitem__ = __neg__ = __abs__ = __int__ = __float__ = refuse
    __array__ = __index__ = __format__ = refuse


class Unsure(Unusable):
    """A value that only one way assigned."""

    def __init__(self, inner: Any, template: Any, why: str, where: str) -> None:
        super().__init__(why, where)
        self.inner, self.template = inner, template


class TracedText(Unusable):
    """A text with values in it that are not known. It can be printed."""

    instead = "the numbers themselves; a text can only be printed or be an error's message"

    def __init__(self, text: str) -> None:
        super().__init__("a text made of values that depend on the data")
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return self.text

    def __hash__(self) -> int:
        self.refuse()
        return 0


def _forwarded(name: str) -> Any:
    op = getattr(operator, name)

    def method(self: Maybe, other: Any) -> Any:
        return op(self.inner, plain(other))

    return method


def _reflected(name: str) -> Any:
    op = getattr(operator, name)

    def method(self: Maybe, other: Any) -> Any:
        return op(other, self.inner)

    return method


def plain(x: Any) -> Any:
    """The value that a Maybe is used as."""
    return x.inner if isinstance(x, Maybe) else x


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(Maybe, f"__{_name}__", _forwarded(_name))
    setattr(Maybe, f"__r{_name}__", _reflected(_name))
    setattr(Unusable, f"__{_name}__", Unusable.refuse)
    setattr(Unusable, f"__r{_name}__", Unusable.refuse)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Maybe, f"__{_name}__", _forwarded(_name))
    setattr(Unusable, f"__{_name}__", Unusable.refuse)


class Told(SymBool):
    """A bool that also tells whether some Maybes are there: (maybe, whether it is where this holds)."""

    __slots__ = ("tells",)

    def __init__(self, condition: SymBool, tells: tuple[tuple[Maybe, bool], ...]) -> None:
        super().__init__(condition.op, condition.left, condition.right)
        self.tells = tells

    def __invert__(self) -> Told:
        return Told(super().__invert__(), tuple((maybe, not there) for maybe, there in self.tells))
