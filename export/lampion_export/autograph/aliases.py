"""Other names of a tensor or list that only some way through the program gives it: writing to it would have to reach them."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable
from types import FrameType
from typing import Any

from lampion.tensor import Tensor
from lampion_export.autograph.objects import TracedBase
from lampion_export.autograph.source import is_users


class Aliases:
    """Some objects: gives one for which the program has a name, if any."""

    def __init__(self, sources: Iterable[Any]) -> None:
        self._refs: dict[int, weakref.ref[Any]] = {}
        for x in sources:
            self._refs[id(x)] = weakref.ref(x)
            for more in x._aliases:
                self._refs |= {key: ref for key, ref in getattr(more, "_refs", {}).items() if ref() is not None}

    def __call__(self) -> Any:
        alive = [x for ref in self._refs.values() if (x := ref()) is not None]
        named = named_objects() if alive else {}
        return next((x for x in alive if id(x) in named), None)


class InAList:
    """The item that a tensor became of a list which holds columns: gives such a list, if the program has a name for one."""

    def __call__(self) -> Any:
        return next((x for x in named_objects().values() if isinstance(x, TracedBase) and x.grown is not None), None)


def aliases(sources: list[Any]) -> tuple[Any, ...]:
    """The aliases of what is one of some objects: these, and theirs."""
    listed = any(isinstance(alias, InAList) for x in sources for alias in x._aliases)
    return (Aliases(sources), *([InAList()] if listed else []))


def becomes_item(x: Any) -> None:
    """Notes that what is written to the Tensors in x from now on would have to reach a list's columns, and can't."""
    if isinstance(x, Tensor):
        root = base(x)
        if not any(isinstance(alias, InAList) for alias in root._aliases):
            root._aliases = (*root._aliases, InAList())
    elif isinstance(x, tuple | list) and not getattr(x, "grown", None):
        for part in x:
            becomes_item(part)


def base(x: Tensor) -> Tensor:
    """What a view, or a view of a view, looks at in the end."""
    while x._origin is not None:
        x = x._origin[0]
    return x


def named_objects() -> dict[int, Any]:
    """What the variables of the user's running functions hold, and what is in that, by id."""
    from lampion_export.autograph.heap import Heap  # which walks lists, which need this

    found: list[Any] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") != "lampion_export.trace":
        if is_users(frame.f_code):
            found += frame.f_locals.values()
        frame = frame.f_back
    return Heap(*found).objects
