"""Questions about Python objects that heap and templates share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

PLAIN = (int, float, complex, str, bytes)
NOT_STATE = ("builtins", "numpy", "functools", "itertools", "collections", "typing", "abc", "enum", "random")


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()  # what a variable holds that was not assigned yet


class TracedBase:
    """Base of the lists of traced code. `TracedList` is the one kind there is; it registers itself as `kind`."""

    _aliases: Sequence[Any] = ()
    grown: Any = None
    kind: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        TracedBase.kind = cls


def same_object(a: Any, b: Any) -> bool:
    """Whether two are one object, or equal numbers or texts of one type."""
    if a is b:
        return True
    return type(a) is type(b) and isinstance(a, PLAIN) and repr(a) == repr(b)


def is_object(x: Any) -> bool:
    """Whether x is an instance of a class whose attributes a program may use as state."""
    module = type(x).__module__
    return module.split(".")[0] not in NOT_STATE and not module.startswith(__package__)
