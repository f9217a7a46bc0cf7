"""`TracedList`: a list that may come to hold a number of items which only the data decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lampion
from lampion.errors import UntraceableError, user_code
from lampion.ops.promote import as_tensor
from lampion.symbolic import Symbolic, SymBool, SymInt, birth, from_front
from lampion.tensor import Tensor
from lampion_export.autograph.aliases import Aliases
from lampion_export.autograph.objects import TracedBase
from lampion_export.autograph.packing import packed, unpacked
from lampion_export.autograph.templates import (
    Growing,
    Grown,
    Known,
    Leaf,
    Lost,
    Meeting,
    Template,
    general,
    is_ragged,
    join,
    joined,
    leaves,
)  # fmt: skip


class TracedList(TracedBase, list[Any]):
    """A list as Python's, until a loop or a branch makes its length unknown: then it holds columns of Tensors.

    An item may be a Tensor, a number, or a tuple of such, all of one kind; Tensors may differ in their sizes.
    """

    grown: Grown | None = None

    @staticmethod
    def of(grown: Grown) -> TracedList:
        """A list of columns."""
        made = TracedList()
        made.grown = grown
        return made

    @property
    def content(self) -> list[Any] | Grown:
        """The items, or the columns."""
        return self.grown if self.grown is not None else list(list.__iter__(self))

    @content.setter
    def content(self, content: list[Any] | Grown) -> None:
        self.grown = content if isinstance(content, Grown) else None
        list.__setitem__(self, slice(None), [] if isinstance(content, Grown) else content)

    @property
    def size(self) -> Any:
        """The number of items: an int or a SymInt."""
        return list.__len__(self) if self.grown is None else self.grown.size

    def copy(self) -> TracedList:
        """Another list of the same items."""
        made = TracedList()
        made.content = self.content
        return made

    # ---- asking ---------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return list.__len__(self) if self.grown is None else int(self.grown.size)

    def __bool__(self) -> bool:
        return bool(self.size > 0)

    def __iter__(self) -> Iterator[Any]:
        if self.grown is not None:
            raise UntraceableError(
                "the list has a number of items that depends on the data", "a `for` statement over it"
            )
        return list.__iter__(self)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self._sliced(key)
        if self.grown is None and not isinstance(key, Symbolic):
            return list.__getitem__(self, key)
        return self._columns().at(from_front(key, self.size))

    def __contains__(self, x: Any) -> bool:
        return list.__contains__(self, x) if self.grown is None else bool(self.has(x))

    def has(self, x: Any) -> SymBool:
        """Whether an item equals a number."""
        return SymBool("is", (self.column() == x).any())

    def __eq__(self, other: object) -> Any:
        if self.grown is not None:
            raise UntraceableError(
                "the list has a number of items that depends on the data", "a comparison of stacked tensors"
            )
        return list.__eq__(self, other)

    __hash__ = None

    def column(self) -> Tensor:
        """The items as one Tensor, stacked along a new first dim. Raises UntraceableError where they differ in shape."""
        grown = self._grown()
        own = leaves(grown.element)
        if len(own) != 1 or is_ragged(own[0]):
            raise UntraceableError("the items are no Tensors or numbers of one shape", "items of one shape")
        return grown.columns[0]

    def joined(self, dim: int = 0) -> Tensor:
        """The items as one Tensor, one after the other along `dim`."""
        grown = self._grown()
        [leaf] = leaves(grown.element)
        if not is_ragged(leaf):
            column = grown.columns[0].movedim(0, dim % len(leaf.dims))
            at = dim % len(leaf.dims)
            shape = [*column.shape[:at], column.shape[at] * column.shape[at + 1], *column.shape[at + 2 :]]
            return column.reshape(shape)
        if dim != 0:
            raise UntraceableError(f"items that differ in shape can't be put together along dim {dim}", "dim 0")
        flat, shapes = grown.columns
        rest = [shapes[0, i + 1].item() if n is None else n for i, n in enumerate(leaf.dims[1:])]
        return flat.reshape(-1, *rest) if rest else flat

    # ---- changing -----------------------------------------------------------------------------------------------------------

    def append(self, x: Any) -> None:
        """Adds an item."""
        self._only()
        if self.grown is None:
            list.append(self, x)
        else:
            self.extend([x])

    def extend(self, items: Iterable[Any]) -> None:
        """Adds all items of another list, or the rows of a Tensor."""
        self._only()
        if isinstance(items, Tensor) and (self.grown is not None or isinstance(items.shape[0], SymInt)):
            items = TracedList.of(Grown(Leaf("tensor", items.dtype, tuple(items.shape[1:])), (items,)))
        if self.grown is None and not (isinstance(items, TracedList) and items.grown is not None):
            list.extend(self, items)
        else:
            items = items if isinstance(items, TracedList) else TracedList(items)
            self.content = _concatenated(self, items)

    def insert(self, at: Any, x: Any) -> None:
        """Puts an item before that at a place."""
        self._only()
        if self.grown is None and not isinstance(at, Symbolic):
            list.insert(self, at, x)
        else:
            self.content = (self[:at] + TracedList([x]) + self[at:]).content

    def pop(self, at: Any = -1) -> Any:
        """Takes an item out."""
        self._only()
        if self.grown is None and not isinstance(at, Symbolic):
            return list.pop(self, at)
        item, place = self[at], from_front(at, self.size)
        self.content = (self[:place] + self[place + 1 :]).content
        return item

    def clear(self) -> None:
        """Takes all items out."""
        self._only()
        self.content = []

    def reverse(self) -> None:
        """Turns the order around."""
        self._only()
        if self.grown is None:
            list.reverse(self)
        else:
            self.content = self._columns().taken(lampion.arange(self.size).flip(0)).content

    def __setitem__(self, key: Any, value: Any) -> None:
        self._only()
        if self.grown is None and not isinstance(key, Symbolic):
            list.__setitem__(self, key, value)
        elif isinstance(key, slice):
            raise UntraceableError("a slice of a list whose length depends on the data is assigned", "a new list")
        else:
            place = from_front(key, self.size)
            self.content = (self[:place] + TracedList([value]) + self[place + 1 :]).content

    def __delitem__(self, key: Any) -> None:
        self._only()
        if self.grown is None and not isinstance(key, Symbolic):
            list.__delitem__(self, key)
        else:
            self.pop(key)

    def __add__(self, other: Any) -> TracedList:
        made = self.copy()
        made.extend(other)
        return made

    def __radd__(self, other: Any) -> TracedList:
        return TracedList(other) + self

    def __iadd__(self, other: Any) -> TracedList:
        self.extend(other)
        return self

    def __mul__(self, times: Any) -> TracedList:
        if self.grown is None and not isinstance(times, Symbolic):
            return TracedList(list.__mul__(self, times))
        return self._columns().taken(lampion.arange(self.size * times) % self.size)

    __rmul__ = __mul__

    def _only(self) -> None:
        if any(other() is not None for other in self._aliases):
            raise UntraceableError(
                "a list is changed that may be another one too, which depends on the data", "a branch for each list"
            )

    # ---- inside -------------------------------------------------------------------------------------------------------------

    def _grown(self) -> Grown:
        """The columns, made of the items if need be."""
        if self.grown is not None:
            return self.grown
        template = _element(list(list.__iter__(self)))
        return Grown(template, tuple(packed(Growing(template), self)))

    def _columns(self) -> Columns:
        return Columns(self._grown())

    def _sliced(self, key: slice) -> TracedList:
        bounds = (key.start, key.stop, key.step)
        if self.grown is None and not any(isinstance(b, Symbolic) for b in bounds):
            return TracedList(list.__getitem__(self, key))
        if key.step is not None and key.step < 0:
            return TracedList.of(self._columns().taken(lampion.arange(self.size).flip(0))._grown())[: None : -key.step]
        places = lampion.arange(self.size)[key]
        return self._columns().taken(places)


class Columns:
    """The items of a list by their places."""

    def __init__(self, grown: Grown) -> None:
        self.grown = grown

    def at(self, i: Any) -> Any:
        """One item."""
        columns = iter(self.grown.columns)
        found: list[Tensor] = []
        for leaf in leaves(self.grown.element):
            if is_ragged(leaf):
                found.append(_ragged_item(leaf, next(columns), next(columns), i))
            else:
                found.append(next(columns)[i])
        return unpacked(self.grown.element, iter(found))

    def taken(self, places: Tensor) -> TracedList:
        """The items at some places."""
        columns = iter(self.grown.columns)
        found: list[Tensor] = []
        for leaf in leaves(self.grown.element):
            if is_ragged(leaf):
                found += _ragged_items(next(columns), next(columns), places)
            else:
                found.append(next(columns)[places])
        for column in found:  # an item of the new list is one of the old list too
            column._aliases = (Aliases(self.grown.columns),)
        return TracedList.of(Grown(self.grown.element, tuple(found) or (places > -1,)))


def _ends(shapes: Tensor) -> Tensor:
    """Where each item ends in the row of all numbers."""
    return shapes.prod(1).cumsum(0)


def _ragged_item(leaf: Leaf, flat: Tensor, shapes: Tensor, i: Any) -> Tensor:
    shape = [SymInt.element(shapes[i, d]._value, 0) if n is None else n for d, n in enumerate(leaf.dims)]
    end = SymInt.element(_ends(shapes)[i]._value, 0)
    length = SymInt.element(shapes[i].prod()._value, 0)
    return flat[end - length : end].reshape(shape)


def _ragged_items(flat: Tensor, shapes: Tensor, places: Tensor) -> list[Tensor]:
    """The numbers and shapes of items in another order: each number's place is its item's start plus its place inside."""
    sizes, new = shapes.prod(1), shapes[places]
    starts, counts = (_ends(shapes) - sizes)[places], new.prod(1)
    before = counts.cumsum(0) - counts
    total = SymInt.element(counts.sum()._value, 0)
    numbers = lampion.arange(total)
    owner = (numbers.unsqueeze(1) >= counts.cumsum(0)).sum(1)
    return [flat[starts[owner] + numbers - before[owner]], new]


def _element(items: list[Any]) -> Template:
    """The template that fits all items."""
    if not items:
        raise UntraceableError(
            "an empty list is asked for an item at a place that depends on the data", "a list with items"
        )
    at = Meeting("an item", user_code()[0], ("here", "there"), birth(), False)
    template = joined(items[0], items[0], at)
    template = general(template, at)
    for item in items[1:]:
        template = joined(template, item, at)
    if isinstance(template, Lost):
        raise UntraceableError(template.why, "items of one kind")
    return template


def _concatenated(a: TracedList, b: TracedList) -> Grown | list[Any]:
    """The columns of one list after those of another."""
    for one, other in ((a, b), (b, a)):
        if one.grown is None and not list.__len__(one):
            return other.content
    at = Meeting("an item", user_code()[0], ("in one list", "in the other"), birth(), False)
    found = join(Known(a.content), Known(b.content), at)
    if not isinstance(found, Growing):
        if isinstance(found, Lost):
            raise UntraceableError(found.why, "items of one kind")
        found = Growing(_element([*a.content, *b.content]))
    columns = [lampion.cat([x, y]) for x, y in zip(packed(found, a), packed(found, b), strict=True)]
    for column in columns:
        column._aliases = (Aliases(x for side in (a, b) if side.grown is not None for x in side.grown.columns),)
    return Grown(found.element, tuple(columns))


# ---- lampion's functions of lists, on lists of columns ---------------------------------------------------------------


def stack(tensors: TracedList, dim: int = 0) -> Tensor:
    """`lampion.stack`: its own numbers, as what is written to them must not reach the list."""
    column = tensors.column().clone()
    return column.movedim(0, dim) if dim else column


def cat(tensors: TracedList, dim: int = 0) -> Tensor:
    """`lampion.cat`"""
    return tensors.joined(dim).clone()


def tensor(data: TracedList, *, dtype: Any = None, **_: Any) -> Tensor:
    """`lampion.tensor` of numbers"""
    column = tensors_column(data).clone()
    return column if dtype is None else as_tensor(column, dtype)


def tensors_column(data: TracedList) -> Tensor:
    """Numbers in the dtype that they have on their own: float64 is how traced Python floats are kept."""
    [leaf] = leaves(data._grown().element)
    column = data.column()
    return column.to(lampion.get_default_dtype()) if leaf.kind == "float" else column


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    lampion.stack: stack,
    lampion.cat: cat,
    lampion.concat: cat,
    lampion.concatenate: cat,
    lampion.vstack: lambda xs: cat(xs) if len(leaves(xs._grown().element)[0].dims) > 1 else stack(xs),
    lampion.tensor: tensor,
    lampion.as_tensor: tensor,
}
