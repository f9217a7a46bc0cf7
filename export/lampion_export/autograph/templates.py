"""What a value may be where two ways through a program meet, and how it passes as Tensors between blocks.

A `Template` says which parts of a value are the same on both ways (`Known`), which become Tensors of the graph (`Leaf`),
and how they are put together. `joined` finds the template of two, `packed` gives a value's Tensors, `unpacked` makes a
value of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from lampion import dtypes
from lampion.symbolic import Size, Spec, Symbolic, SymBool, SymInt, fresh_axis, is_from, same
from lampion.symbolic_float import SymFloat
from lampion.tape import Value, wrap
from lampion.tensor import Tensor
from lampion_export.autograph.objects import MISSING, TracedBase, is_object, same_object
from lampion_export.autograph.proxies import Choice, Maybe, Unsure, Unusable

NUMBERS = {"bool": (0, dtypes.bool_), "int": (1, dtypes.int64), "float": (2, dtypes.float64)}


class Template:
    """Base. Each kind knows the Specs of its Tensors."""

    def specs(self) -> list[Spec]:
        """The Specs of the Tensors that a value of this kind is packed into; sizes that vary are new axes."""
        return []


@dataclass(frozen=True, eq=False)
class Known(Template):
    """One object, the same on all ways."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and same_object(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Leaf(Template):
    """A Tensor (`kind` "tensor"), or a Python number of a kind in NUMBERS. Where a size is None, it varies."""

    kind: str
    dtype: dtypes.dtype
    dims: tuple[Size | None, ...] = ()

    def specs(self) -> list[Spec]:
        return [Spec(tuple(fresh_axis() if n is None else n for n in self.dims), self.dtype.numpy)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Leaf) or (self.kind, self.dtype) != (other.kind, other.dtype):
            return False
        return len(self.dims) == len(other.dims) and all(map(_agree, self.dims, other.dims))

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Parts(Template):
    """A tuple, list, dict or object, part by part. `like` is one such; its type and keys are kept."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Template, ...]

    def specs(self) -> list[Spec]:
        return [spec for part in self.parts for spec in part.specs()]


@dataclass(frozen=True)
class Growing(Template):
    """A list of any number of items of one kind: for each Tensor of an item, a column."""

    element: Template

    def specs(self) -> list[Spec]:
        return [spec for leaf in leaves(self.element) for spec in column_specs(leaf)] or [
            Spec((fresh_axis(),), np.bool_)
        ]


@dataclass(frozen=True)
class Late(Template):
    """What a variable is after it is assigned, where it may not be yet."""

    inner: Template

    def specs(self) -> list[Spec]:
        return self.inner.specs()


@dataclass(frozen=True)
class Half(Template):
    """What a variable is where only one way assigns it. Using it is refused; meeting it again is not."""

    inner: Template
    why: str
    where: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Half) and self.inner == other.inner

    __hash__ = None  # type: ignore[assignment]

    def specs(self) -> list[Spec]:
        return self.inner.specs()


@dataclass(frozen=True)
class Optional(Template):
    """None or something: whether it is there, and its Tensors."""

    inner: Template

    def specs(self) -> list[Spec]:
        return [Spec((), np.bool_), *self.inner.specs()]


@dataclass(frozen=True)
class Selected(Template):
    """One of some objects that are no numbers, by its place among them."""

    options: tuple[Any, ...]

    def specs(self) -> list[Spec]:
        return [Spec((), np.int64)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selected) and _all_same(self.options, other.options)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Lost(Template):
    """What can't be one value; using it says why."""

    why: str
    where: str


class Grown(NamedTuple):
    """What a list of an unknown number of items holds: what an item is, and the columns of its Tensors."""

    element: Template
    columns: tuple[Tensor, ...]

    @property
    def size(self) -> SymInt | int:
        """The number of items."""
        return self.columns[0].shape[0] if not _is_ragged_first(self.element) else self.columns[1].shape[0]


class Meeting(NamedTuple):
    """Where two ways meet: the name of what is joined, what the ways are called, and whether either made an axis itself."""

    name: str
    where: str
    ways: tuple[str, str]
    start: int
    fill: bool  # whether what is missing on one way may be filled with zeros
    old: Container[int] = ()  # the ids of the objects that are older than the ways

    def conflict(self, a: Any, b: Any) -> Lost:
        """Says which two don't go together, and where they come from."""
        sides = [f"{_shown(x)} {way}{_place(x)}" for x, way in zip((a, b), self.ways, strict=True)]
        name = "what is returned" if self.name == "lampion_value" else f"`{self.name}`"
        return Lost(f"{name} is {sides[0]} and {sides[1]}: one value can't be both in a graph", self.where)


# ---- joining ---------------------------------------------------------------------------------------------------------


def joined(a: Any, b: Any, at: Meeting) -> Template:
    """The template of what is `a` on one way (a value, or a Template) and `b` (a value) on the other."""
    if not isinstance(a, Template):
        if same_object(a, b):
            return Known(a)
        a = Known(a)
    b = b if isinstance(b, Template) else Known(b)
    return join(a, b, at)


def join(a: Template, b: Template, at: Meeting) -> Template:
    """The template of two."""
    if isinstance(a, Lost) or isinstance(b, Lost):
        return a if isinstance(a, Lost) else b
    if isinstance(a, Known) and isinstance(b, Known) and a == b:
        return a
    a, b = _settled(_half(a), at), _settled(_half(b), at)
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Known) and isinstance(x.value, Unusable):
            return Lost(x.value.why, x.value.where or at.where)
        if isinstance(x, Known) and x.value is MISSING:
            if isinstance(y, Late):
                return y
            inner = general(y, at)
            if at.fill:
                return Late(inner)
            why = f"`{at.name}` is assigned only {at.ways[1 if x is a else 0]}{_place(y)}"
            return inner if isinstance(inner, Half | Lost) else Half(inner, why, at.where)
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Late):
            return Late(join(x.inner, y.inner if isinstance(y, Late) else y, at))
        if isinstance(x, Half):
            found = join(x.inner, y.inner if isinstance(y, Half) else y, at)
            return Half(found, x.why, x.where) if isinstance(y, Half) else found
    for x, y in ((a, b), (b, a)):
        if (
            isinstance(x, Known)
            and x.value is None
            and not (isinstance(y, Known) and _is_option(y.value))
            and not isinstance(y, Selected)
        ):
            return y if isinstance(y, Optional) else Optional(general(y, at))
        if isinstance(x, Optional):
            inner = y.inner if isinstance(y, Optional) else _settled(_of_maybe(y), at) if _is_maybe(y) else y
            return Optional(join(x.inner, inner.inner if isinstance(inner, Optional) else inner, at))
        if _is_maybe(x):
            return join(_settled(_of_maybe(x), at), y, at)
    p, q = _expanded(a, at), _expanded(b, at)
    if isinstance(p, Leaf) and isinstance(q, Leaf):
        return _join_leaves(p, q, at) or at.conflict(a, b)
    if _are_old(a, b, at):
        return at.conflict(a, b)
    if isinstance(p, Parts) and isinstance(q, Parts) and p.kind is q.kind and _all_same(p.keys, q.keys):
        return Parts(p.kind, p.keys, tuple(join(x, y, at) for x, y in zip(p.parts, q.parts, strict=True)))
    if isinstance(p, Parts) and isinstance(q, Parts) and p.kind is q.kind is dict:
        return _join_dicts(p, q, at)
    if _is_list(p) and _is_list(q):
        return _join_lists(p, q, at) or at.conflict(a, b)
    return _join_options(p, q) or at.conflict(a, b)


def general(x: Template, at: Meeting) -> Template:
    """A template that does not hold to the one value it was made of."""
    x = _expanded(x, at)
    return Parts(x.kind, x.keys, tuple(general(p, at) for p in x.parts)) if isinstance(x, Parts) else x


def _expanded(x: Template, at: Meeting) -> Template:
    """A known value, taken apart or as a Leaf where it can be one."""
    if not isinstance(x, Known):
        return x
    value = x.value
    if isinstance(value, Value):
        value = wrap(value)
    if isinstance(value, Tensor):
        dims = tuple(None if is_from(n, at.start) else n for n in value.shape)
        return Leaf("tensor", value.dtype, dims)
    if isinstance(value, bool | SymBool):
        return Leaf("bool", dtypes.bool_)
    if isinstance(value, int | SymInt):
        return Leaf("int", dtypes.int64)
    if isinstance(value, float | SymFloat):
        return Leaf("float", dtypes.float64)
    if isinstance(value, Grown):
        return Growing(_settled(value.element, at))
    if isinstance(value, Choice):
        return Selected(value.options)
    content = getattr(value, "content", None)
    if isinstance(content, Grown):
        return Growing(_settled(content.element, at))
    if isinstance(value, list):
        return Parts(list, (len(value),), tuple(Known(v) for v in list.__iter__(value)))
    if isinstance(value, tuple):
        return Parts(type(value), (len(value),), tuple(map(Known, value)))
    if isinstance(value, dict):
        return Parts(dict, tuple(value), tuple(map(Known, value.values())))
    if is_object(value) and hasattr(value, "__dict__") and not callable(value):
        state = vars(value)
        return Parts(type(value), tuple(state), tuple(map(Known, state.values())))
    return x


def _join_options(a: Template, b: Template) -> Template | None:
    sides = [_options(x) for x in (a, b)]
    if not all(sides):
        return None
    found: list[Any] = []
    for x in [*sides[0], *sides[1]]:
        if not any(same_object(x, y) for y in found):
            found.append(x)
    return Selected(tuple(found))


def _are_old(a: Template, b: Template, at: Meeting) -> bool:
    """Whether two are objects that a program may change by other names too, which a copy would miss."""
    both = [x.value for x in (a, b) if isinstance(x, Known)]
    return len(both) == 2 and all(id(x) in at.old and not isinstance(x, Tensor | tuple | TracedBase) for x in both)


def _join_leaves(a: Leaf, b: Leaf, at: Meeting) -> Leaf | None:
    if a.kind != "tensor" and b.kind != "tensor":
        return max(a, b, key=lambda leaf: NUMBERS[leaf.kind][0])
    if a.kind == b.kind:
        if a.dtype is not b.dtype or len(a.dims) != len(b.dims):
            return None
        return Leaf("tensor", a.dtype, tuple(n if _agree(n, m) else None for n, m in zip(a.dims, b.dims, strict=True)))
    number, tensor = (a, b) if b.kind == "tensor" else (b, a)
    return tensor if number.dtype.category <= tensor.dtype.category else None


def _join_dicts(a: Parts, b: Parts, at: Meeting) -> Template:
    """Of dicts with different keys: one that only one has is missing in the other."""
    sides = [dict(zip(x.keys, x.parts, strict=True)) for x in (a, b)]
    keys = tuple(dict.fromkeys([*a.keys, *b.keys]))
    missing = Known(MISSING)
    each = [at._replace(name=f"{at.name}[{key!r}]") for key in keys]
    return Parts(
        dict,
        keys,
        tuple(join(sides[0].get(k, missing), sides[1].get(k, missing), e) for k, e in zip(keys, each, strict=True)),
    )


def _join_lists(a: Template, b: Template, at: Meeting) -> Template | None:
    items = [x.element for x in (a, b) if isinstance(x, Growing)]
    items += [part for x in (a, b) if isinstance(x, Parts) for part in x.parts]
    element = items[0]
    for item in items[1:]:
        element = join(element, item, at)
    element = _settled(general(element, at), at)
    return (
        None
        if isinstance(element, Lost) or any(isinstance(x, Growing | Optional | Late) for x in walk(element))
        else Growing(element)
    )


def _settled(x: Template, at: Meeting) -> Template:
    """With sizes that one way made itself left open."""
    if isinstance(x, Leaf):
        return Leaf(x.kind, x.dtype, tuple(None if n is None or is_from(n, at.start) else n for n in x.dims))
    if isinstance(x, Parts):
        return Parts(x.kind, x.keys, tuple(_settled(p, at) for p in x.parts))
    if isinstance(x, Growing):
        return Growing(_settled(x.element, at))
    if isinstance(x, Late | Half | Optional):
        return replace(x, inner=_settled(x.inner, at))
    return x


def _is_list(x: Template) -> bool:
    return isinstance(x, Growing) or (isinstance(x, Parts) and x.kind is list)


def _is_maybe(x: Template) -> bool:
    return isinstance(x, Known) and isinstance(x.value, Maybe)


def _half(x: Template) -> Template:
    return x.value.template if isinstance(x, Known) and isinstance(x.value, Unsure) else x


def _of_maybe(x: Template) -> Template:
    assert isinstance(x, Known)
    template: Template = x.value.template
    return template


def _is_option(value: Any) -> bool:
    """Whether a value is one that can be chosen by its place among others: a text, a function, a module."""
    numbers = (bool, int, float, complex, list, tuple, dict, Tensor, Value, Symbolic, Grown, Maybe)
    if isinstance(value, numbers) or value is MISSING:
        return False
    return value is None or isinstance(value, str | bytes | type) or callable(value) or isinstance(value, Choice)


def _options(x: Template) -> tuple[Any, ...]:
    if isinstance(x, Selected):
        return x.options
    return (x.value,) if isinstance(x, Known) and _is_option(x.value) else ()


def _all_same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return len(a) == len(b) and all(map(same_object, a, b))


def _agree(a: Size | None, b: Size | None) -> bool:
    return a is b if a is None or b is None else same(a, b)


# ---- what columns a list has ---------------------------------------------------------------------------------------


def walk(template: Template) -> Iterator[Template]:
    """The template and all inside of it."""
    yield template
    for part in getattr(template, "parts", ()):
        yield from walk(part)


def leaves(template: Template) -> list[Leaf]:
    """The leaves of a template of Parts."""
    return [x for x in walk(template) if isinstance(x, Leaf)]


def is_ragged(leaf: Leaf) -> bool:
    """Whether items differ in shape: their numbers lie in a row then, with the shapes beside."""
    return None in leaf.dims


def column_specs(leaf: Leaf) -> list[Spec]:
    """The Specs of a leaf's columns."""
    if is_ragged(leaf):
        return [Spec((fresh_axis(),), leaf.dtype.numpy), Spec((fresh_axis(), len(leaf.dims)), np.int64)]
    return [Spec((fresh_axis(), *leaf.dims), leaf.dtype.numpy)]


def _is_ragged_first(element: Template) -> bool:
    own = leaves(element)
    return bool(own) and is_ragged(own[0])


# ---- words -----------------------------------------------------------------------------------------------------------


def _shown(x: Any) -> str:
    x = x.value if isinstance(x, Known) else x
    x = wrap(x) if isinstance(x, Value) else x
    if isinstance(x, Tensor):
        return f"{x.dtype} [{', '.join(map(str, x.shape))}]"
    if isinstance(x, Leaf):
        return (
            f"{x.dtype} [{', '.join('?' if n is None else str(n) for n in x.dims)}]" if x.kind == "tensor" else x.kind
        )
    if isinstance(x, Parts):
        return f"{x.kind.__name__} of {len(x.parts)}"
    return repr(x) if isinstance(x, int | float | str | type(None)) else type(x).__name__


def _place(x: Any) -> str:
    """Where a Tensor was computed."""
    x = x.value if isinstance(x, Known) else x
    value = x if isinstance(x, Value) else x._value if isinstance(x, Tensor) else None
    where = value.node.where if value is not None and value.node is not None else None
    return f" ({where[0]})" if where else ""
