"""What holds a value and can be given another: variables, lists, dicts, attributes, tensors."""

from __future__ import annotations

from typing import Any

from lampion.errors import UntraceableError
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.objects import MISSING
from lampion_export.autograph.proxies import Unusable
from lampion_export.autograph.templates import Grown


class Place:
    """Something that holds a value and can be given another. `name` is how an error speaks of it."""

    holds_many = True  # whether what it holds is a copy of a container's items

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name

    @property
    def internal(self) -> bool:
        """Whether the rewriting made it, not the user."""
        return self.name.startswith("lampion_")

    def get(self) -> Any:
        """What it holds: for a container, a shallow copy."""
        raise NotImplementedError

    def set(self, value: Any) -> None:
        """Makes it hold another value."""
        raise NotImplementedError


class Variable(Place):
    """A variable that functions share: a cell."""

    holds_many = False

    def get(self) -> Any:
        try:
            return self.owner.cell_contents
        except ValueError:
            return MISSING

    def set(self, value: Any) -> None:
        if value is not MISSING:
            self.owner.cell_contents = value
        elif self.get() is not MISSING:
            del self.owner.cell_contents


class Global(Place):
    """A variable of a module."""

    holds_many = False

    def get(self) -> Any:
        return self.owner.get(self.name, MISSING)

    def set(self, value: Any) -> None:
        if value is MISSING:
            self.owner.pop(self.name, None)
        else:
            self.owner[self.name] = value


class Items(Place):
    """What a list or a deque holds; a list of traced code may hold a number of items that is not known."""

    def get(self) -> Any:
        if isinstance(self.owner, TracedList):
            return self.owner.content
        return list(self.owner)

    def set(self, value: Any) -> None:
        content = value.content if isinstance(value, TracedList) else _usable(value)
        if isinstance(self.owner, TracedList):
            self.owner.content = content
        elif isinstance(content, Grown):
            raise UntraceableError(
                f"the list `{self.name}` was made outside of what is traced, so it can't grow by what depends on the data",
                "make it with [] inside of forward",
            )
        else:
            self.owner.clear()
            self.owner.extend(content)


class Entries(Place):
    """What a dict holds, and so the attributes of an object."""

    def get(self) -> Any:
        return dict(self.owner)

    def set(self, value: Any) -> None:
        self.owner.clear()
        self.owner.update(_usable(value))


class Members(Place):
    """What a set holds."""

    def get(self) -> Any:
        return set(self.owner)

    def set(self, value: Any) -> None:
        self.owner.clear()
        self.owner.update(_usable(value))


class Slots(Place):
    """The attributes of an object without a dict."""

    def get(self) -> Any:
        return {name: getattr(self.owner, name) for name in slots_of(self.owner) if hasattr(self.owner, name)}

    def set(self, value: Any) -> None:
        for name in slots_of(self.owner):
            if name in value:
                object.__setattr__(self.owner, name, value[name])
            elif hasattr(self.owner, name):
                object.__delattr__(self.owner, name)


class Numbers(Place):
    """What a Tensor is the name of. Views of it follow."""

    holds_many = False

    def get(self) -> Any:
        return self.owner._value

    def set(self, value: Any) -> None:
        aliases, self.owner._aliases = self.owner._aliases, ()  # which only the user's own writing asks for
        self.owner._rename(value, True)
        self.owner._aliases = aliases


def _usable(value: Any) -> Any:
    """A container's content. Raises UntraceableError where the ways that met have contents of different kinds."""
    if isinstance(value, Unusable):
        value.refuse()
    return value


def slots_of(x: Any) -> tuple[str, ...]:
    names: list[str] = []
    for base in type(x).__mro__:
        own = base.__dict__.get("__slots__", ())
        names += [own] if isinstance(own, str) else own
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))
