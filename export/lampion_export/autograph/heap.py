"""Everything that a piece of a program can change: variables, lists, dicts, attributes, tensors.

A branch that may not be taken is traced all the same. So what it can reach is remembered before, compared after, and put back.
"""

from __future__ import annotations

import copy
import dis
import functools
import operator
from collections import deque
from collections.abc import Container, Iterable, Iterator
from functools import cache
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from lampion.symbolic import Symbolic
from lampion.tape import Handle, wrap
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.objects import MISSING, is_object, same_object
from lampion_export.autograph.places import Entries, Global, Items, Members, Numbers, Place, Slots, Variable, slots_of
from lampion_export.autograph.source import is_librarys
from lampion_export.autograph.trees import CONTROL

ATOMIC = (
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type,
    ModuleType,
    BuiltinFunctionType,
    np.ndarray,
    np.generic,
    np.dtype,
)


class Heap:
    """The places that can be reached from some functions."""

    def __init__(self, *roots: Any) -> None:
        self.places: dict[int, Place] = {}
        self._names: list[Any] = []  # Tensors, also those that are views of others
        self._seen: dict[int, Any] = {}
        self._queue: deque[tuple[Any, str]] = deque((root, "") for root in roots)
        while self._queue:
            self._visit(*self._queue.popleft())

    def __iter__(self) -> Iterator[Place]:
        return iter(self.places.values())

    @property
    def known(self) -> Container[int]:
        """The ids of all objects that were reached."""
        return self._seen.keys()

    @property
    def objects(self) -> dict[int, Any]:
        """All objects that were reached, by id."""
        return self._seen

    def remember(self) -> Memory:
        """What all places hold now."""
        return Memory(self)

    # ---- the walk -----------------------------------------------------------------------------------------------------

    def _visit(self, x: Any, name: str) -> None:
        if id(x) in self._seen or isinstance(x, ATOMIC):
            return
        self._seen[id(x)] = x
        if isinstance(x, Handle):
            self._tensor(x, name)
        elif isinstance(x, CellType):
            self._add(Variable(x, name), [])
        elif isinstance(x, FunctionType):
            self._function(x)
        elif isinstance(x, MethodType):
            self._push([x.__self__, x.__func__], name)
        elif isinstance(x, functools.partial):
            self._push([x.func, *x.args, *x.keywords.values()], name)
        elif isinstance(x, TracedList) and x.grown is not None:
            self._add(Items(x, name), x.grown.columns)
        elif isinstance(x, list | deque):
            self._add(Items(x, name), list.__iter__(x) if isinstance(x, list) else x)
        elif isinstance(x, dict):
            self._add(Entries(x, name), x.values())
        elif isinstance(x, set):
            self._add(Members(x, name), x)
        elif isinstance(x, tuple | frozenset):
            self._push(x, name)
        elif not isinstance(x, Symbolic) and is_object(x):
            if hasattr(x, "__dict__"):
                self._add(Entries(x.__dict__, name or type(x).__name__), x.__dict__.values())
            if slots_of(x):
                place = Slots(x, name or type(x).__name__)
                self._add(place, place.get().values())

    def _add(self, place: Place, inside: Iterable[Any]) -> None:
        self.places[id(place.owner)] = place
        self._seen[id(place.owner)] = place.owner
        if isinstance(place, Variable):
            inside = [place.get()]
        self._push(inside, place.name)

    def _push(self, values: Iterable[Any], name: str) -> None:
        self._queue.extend((value, name) for value in values)

    def _function(self, function: FunctionType) -> None:
        for cell, name in zip(function.__closure__ or (), function.__code__.co_freevars, strict=True):
            if not name.startswith(CONTROL):
                self._queue.append((cell, name))
        self._push(function.__defaults__ or (), "")
        if is_librarys(function.__code__):
            return
        read, stored = _globals(function.__code__)
        for name in read | stored:
            value = function.__globals__.get(name, MISSING)
            if name in stored:
                place = Global(function.__globals__, name)
                self.places[hash((id(function.__globals__), name))] = place
            self._queue.append((value, name))

    def _tensor(self, x: Any, name: str) -> None:
        self._names.append(x)
        if x._origin is None:
            self.places[id(x)] = Numbers(x, name)
        else:
            self._visit(x._origin[0], name)


class Memory:
    """What the places of a heap held at one moment."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.held = {place: place.get() for place in heap}
        self._names = [(x, x._value, x._value.version, x._value.version.views) for x in heap._names]

    def changed(self) -> dict[Place, Any]:
        """The places that hold something else now, with what that is."""
        now = ((place, place.get()) for place in self.heap)
        return {place: value for place, value in now if not _same(place, value, self.held[place])}

    def left(self) -> Left:
        """What has become of the places since."""
        return Left(self)

    def put_back(self) -> None:
        """Makes everything as it was."""
        for place, value in self.held.items():
            if not isinstance(place, Numbers) and not _same(place, place.get(), value):
                place.set(value)
        for x, value, version, views in self._names:
            x._value, value.version, version.views = value, version, views


class Left:
    """What a piece of a program left behind: the places that it changed, and how values look in its light.

    It is asked for before everything is put back.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.changes = memory.changed()
        self._names = [(x, x._value) for x in memory.heap._names]
        old = {id(x): value for x, value, _, _ in memory._names}
        self._touched = {id(x) for x, value in self._names if value is not old[id(x)]}
        self._touched |= {id(place.owner) for place in self.changes if place.holds_many}

    def get(self, place: Place) -> Any:
        """What a place held in the end."""
        return self.changes.get(place, self.memory.held[place])

    def frozen(self, places: Iterable[Place]) -> dict[Place, Any]:
        """What some places held in the end, in copies that putting back does not reach."""
        for place, value in self.changes.items():
            if not isinstance(place, Numbers):
                place.set(value)
        for x, value in self._names:
            x._value = value
        found = {place: self._copied(self.get(place), 0) for place in places}
        self.memory.put_back()
        return found

    def _copied(self, x: Any, depth: int) -> Any:
        """x, or where it or something in it was changed, a copy."""
        if isinstance(x, Handle):
            return wrap(x._value) if id(x) in self._touched else x
        if depth > 8 or isinstance(x, ATOMIC):
            return x
        if isinstance(x, TracedList) and x.grown is not None:
            return x.copy() if id(x) in self._touched else x
        if isinstance(x, list):
            items = [self._copied(y, depth + 1) for y in list.__iter__(x)]
            return TracedList(items) if self._differ(x, items, list.__iter__(x)) else x
        if type(x) is dict:
            values = [self._copied(y, depth + 1) for y in x.values()]
            return dict(zip(x, values, strict=True)) if self._differ(x, values, x.values()) else x
        if isinstance(x, tuple):
            items = [self._copied(y, depth + 1) for y in x]
            if all(map(operator.is_, items, x)):
                return x
            return type(x)(*items) if hasattr(x, "_fields") else tuple(items)
        if not isinstance(x, Symbolic) and is_object(x) and id(getattr(x, "__dict__", None)) in self._touched:
            made = copy.copy(x)
            made.__dict__.update({k: self._copied(v, depth + 1) for k, v in x.__dict__.items()})
            return made
        return x

    def _differ(self, x: Any, new: Iterable[Any], old: Iterable[Any]) -> bool:
        return id(x) in self._touched or not all(map(operator.is_, new, old))


def _same(place: Place, a: Any, b: Any) -> bool:
    """Whether two contents of a place are the same objects; equal numbers and texts are."""
    if a is b or not place.holds_many or type(a) is not type(b):
        return same_object(a, b)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same_object, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same_object, a.values(), b.values()))
    return isinstance(a, set) and {id(x) for x in a} == {id(x) for x in b}


@cache
def _globals(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The globals that code, and the functions inside of it, reads and stores."""
    read: set[str] = set()
    stored: set[str] = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            read.add(instruction.argval)
        elif instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            stored.add(instruction.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more = _globals(inner)
            read |= more[0]
            stored |= more[1]
    return frozenset(read), frozenset(stored)
