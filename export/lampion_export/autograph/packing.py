"""A value as the Tensors of its template, and back: what an If gives, and a Loop carries."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import lampion
from lampion import dtypes
from lampion.ops.promote import as_tensor
from lampion.symbolic import SymBool, SymInt
from lampion.symbolic_float import SymFloat
from lampion.tape import Value, wrap
from lampion.tensor import Tensor
from lampion_export.autograph.aliases import becomes_item
from lampion_export.autograph.objects import MISSING, TracedBase, same_object
from lampion_export.autograph.proxies import Choice, Maybe, Unsure, Unusable
from lampion_export.autograph.templates import (
    Growing,
    Grown,
    Half,
    Known,
    Late,
    Leaf,
    Lost,
    Optional,
    Parts,
    Selected,
    Template,
    is_ragged,
    leaves,
)  # fmt: skip


def packed(template: Template, value: Any) -> list[Tensor]:
    """The Tensors that a value passes as. What is missing passes as zeros."""
    if isinstance(template, Known | Lost):
        return []
    if isinstance(value, Unsure):
        value = value.inner
    if isinstance(template, Leaf):
        return [_leaf(template, value)]
    if isinstance(template, Late | Half):
        return packed(template.inner, value)
    if isinstance(template, Optional):
        return _packed_optional(template, value)
    if isinstance(template, Selected):
        return [_selector(template, value)]
    if isinstance(template, Growing):
        return _packed_list(template.element, value)
    assert isinstance(template, Parts)
    items = [MISSING] * len(template.parts) if value is MISSING else _items(template, value)
    return [t for part, item in zip(template.parts, items, strict=True) for t in packed(part, item)]


def unpacked(template: Template, tensors: Iterator[Tensor], *, started: bool = True) -> Any:
    """The value that some Tensors stand for. A `Late` one is missing until it `started`."""
    if isinstance(template, Known):
        return template.value
    if isinstance(template, Lost):
        return Unusable(template.why, template.where)
    if isinstance(template, Leaf):
        return _value(template, next(tensors))
    if isinstance(template, Late):
        value = unpacked(template.inner, tensors)
        return value if started else MISSING
    if isinstance(template, Half):
        return Unsure(unpacked(template.inner, tensors), template, template.why, template.where)
    if isinstance(template, Optional):
        there = SymBool("is", next(tensors))
        return Maybe(there, unpacked(template.inner, tensors), template)
    if isinstance(template, Selected):
        return Choice(template.options, SymInt.element(next(tensors)._value, 0))
    if isinstance(template, Growing):
        columns = tuple(next(tensors) for _ in template.specs())
        return TracedBase.kind.of(Grown(template.element, columns))
    assert isinstance(template, Parts)
    return _made(template, [unpacked(part, tensors, started=started) for part in template.parts])


def _items(template: Parts, value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value.get(key, MISSING) for key in template.keys]
    if isinstance(value, list):
        return list(list.__iter__(value))
    return list(value) if isinstance(value, tuple) else [vars(value)[key] for key in template.keys]


def _made(template: Parts, items: list[Any]) -> Any:
    if template.kind is list:
        return TracedBase.kind(items)
    if template.kind is dict:
        return {k: v for k, v in zip(template.keys, items, strict=True) if v is not MISSING}
    if issubclass(template.kind, tuple):
        return template.kind(items) if template.kind is tuple else template.kind(*items)
    made = copy.copy(object.__new__(template.kind))
    made.__dict__.update(zip(template.keys, items, strict=True))
    return made


def _leaf(leaf: Leaf, value: Any) -> Tensor:
    if isinstance(value, Maybe):
        value = value.inner
    if isinstance(value, Value):
        value = wrap(value)
    if value is MISSING or value is None or isinstance(value, Unusable):
        return lampion.zeros(tuple(0 if n is None else n for n in leaf.dims), dtype=leaf.dtype)
    tensor = as_tensor(value, leaf.dtype)
    if len(leaf.dims) > tensor.ndim:  # a number that becomes a Tensor
        return tensor.expand(tuple(1 if n is None else n for n in leaf.dims))
    return tensor


def _value(leaf: Leaf, tensor: Tensor) -> Any:
    if leaf.kind == "tensor":
        return tensor
    if leaf.kind == "bool":
        return SymBool("is", tensor)
    return SymInt.element(tensor._value) if leaf.kind == "int" else SymFloat(tensor)


def _packed_optional(template: Optional, value: Any) -> list[Tensor]:
    if isinstance(value, Maybe):
        return [as_tensor(value.there), *packed(template.inner, value.inner)]
    there = value is not None and value is not MISSING
    return [as_tensor(there), *packed(template.inner, value if there else MISSING)]


def _selector(template: Selected, value: Any) -> Tensor:
    if value is MISSING:
        return as_tensor(0)
    if not isinstance(value, Choice):
        return as_tensor(next(i for i, x in enumerate(template.options) if same_object(x, value)))
    places = [next(i for i, x in enumerate(template.options) if same_object(x, own)) for own in value.options]
    return lampion.tensor(places)[value.index]


def columns_of(leaf: Leaf, items: list[Tensor]) -> list[Tensor]:
    """The columns of some items."""
    if is_ragged(leaf):
        flat = [x.reshape(-1) for x in items] or [lampion.zeros(0, dtype=leaf.dtype)]
        shapes = [shape_of(x) for x in items]
        return [
            lampion.cat(flat),
            lampion.stack(shapes) if shapes else lampion.zeros(0, len(leaf.dims), dtype=dtypes.int64),
        ]
    if not items:
        return [lampion.zeros((0, *leaf.dims), dtype=leaf.dtype)]
    return [lampion.stack(items)]


def shape_of(x: Tensor) -> Tensor:
    """The shape as an int64 Tensor."""
    return lampion.stack([as_tensor(n, dtypes.int64) for n in x.shape])


def _packed_list(element: Template, value: Any) -> list[Tensor]:
    content = getattr(value, "content", value)
    own = leaves(element)
    if isinstance(content, Grown):
        return _converted(content, element, own)
    items = [] if content is MISSING else [packed(element, item) for item in content]
    if items:
        becomes_item(content)
    if not own:
        return [lampion.zeros(len(items), dtype=dtypes.bool_)]
    return [column for i, leaf in enumerate(own) for column in columns_of(leaf, [item[i] for item in items])]


def _converted(content: Grown, element: Template, own: list[Leaf]) -> list[Tensor]:
    """The columns for a more general kind of item."""
    columns = iter(content.columns)
    result: list[Tensor] = []
    for old, new in zip(leaves(content.element), own, strict=True):
        first = as_tensor(next(columns), new.dtype)
        if is_ragged(old):
            result += [first, next(columns)]
        elif is_ragged(new):
            shape = lampion.stack([as_tensor(n, dtypes.int64) for n in old.dims])
            result += [first.reshape(-1), shape.expand(first.shape[0], len(old.dims))]
        else:
            result.append(
                first.reshape(first.shape[0], *[1] * (len(new.dims) - len(old.dims)), *first.shape[1:]).expand(
                    first.shape[0], *new.dims
                )
                if len(new.dims) > len(old.dims)
                else first
            )
    return result or list(content.columns)
