"""Python's built-in functions on values that are not known while tracing."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any

import lampion
from lampion.errors import UntraceableError
from lampion.ops.promote import as_tensor
from lampion.symbolic import Symbolic, SymBool, SymInt, maximum, minimum
from lampion.symbolic_float import SymFloat, python_number
from lampion.tape import depth
from lampion.tensor import Tensor
from lampion_export.autograph.calls import BUILTINS, called
from lampion_export.autograph.decisions import and_, choose, is_traced, or_, truth
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.items import comprehension
from lampion_export.autograph.proxies import Maybe, TracedText, plain
from lampion_export.autograph.sequences import Lazy, LazyItems, indexed, lazy
from lampion_export.autograph.statements import for_
from lampion_export.autograph.templates import leaves

# ---- numbers ---------------------------------------------------------------------------------------------------------


def _is_open(x: Any) -> bool:
    return isinstance(x, Symbolic | Maybe) or is_traced(x)


def _number(x: Any) -> Any:
    x = plain(x)
    return python_number(x) if isinstance(x, Tensor) else x


def _int(x: Any = 0, *rest: Any) -> Any:
    if not _is_open(x):
        return int(x, *rest)
    number = _number(x)
    if isinstance(number, SymFloat):
        return number.__trunc__()
    return SymInt.element(as_tensor(number, lampion.int64)._value) if isinstance(number, SymBool) else number


def _float(x: Any = 0.0) -> Any:
    return SymFloat.of(_number(x)) if _is_open(x) else float(x)


def _bool(x: Any = False) -> Any:
    return truth(x)


def _len(x: Any) -> Any:
    x = plain(x)
    if isinstance(x, TracedList):
        return x.size
    if isinstance(x, Tensor) and x.ndim:
        return x.shape[0]
    known = lazy(x)
    return len(x) if known is None else known.size


def _isinstance(x: Any, kinds: Any) -> bool:
    x = plain(x)
    stands_for = {SymInt: 0, SymFloat: 0.0, SymBool: False}.get(type(x), x)
    return isinstance(stands_for, kinds)


def _extremum(name: str, size: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    native = getattr(builtins, name)

    def two(a: Any, b: Any, key: Any) -> Any:
        if key is None and all(isinstance(x, int | SymInt) and not isinstance(x, bool) for x in (a, b)):
            return size(a, b)
        x, y = (v if key is None else called(key)(v) for v in (a, b))
        return choose(y > x if name == "max" else y < x, lambda: b, lambda: a)

    def function(*args: Any, key: Any = None, **default: Any) -> Any:
        many = lazy(args[0]) if len(args) == 1 else None
        if many is not None:
            if key is not None:
                raise UntraceableError(
                    f"{name} with a key, of items whose number depends on the data", "a `for` statement"
                )
            return _numbers(getattr(_column(args[0]), "a" + name)(), args[0])
        items = list(args[0] if len(args) == 1 else args)
        if not any(map(_is_open, items)):
            return native(items, key=key, **default)
        return functools.reduce(lambda a, b: two(a, b, key), [plain(x) for x in items])

    return function


def _column(x: Any) -> Tensor:
    """Items of unknown number as one Tensor."""
    if isinstance(x, Tensor):
        return x
    items = x if isinstance(x, TracedList) else comprehension("ListComp", x, None, lambda _: True, lambda i: i, False)
    return items.column()


def _numbers(result: Tensor, of: Any) -> Any:
    """What a reduction gives: a Tensor of Tensors, a Python number of Python numbers."""
    if isinstance(of, Tensor):
        return result
    kinds = {leaf.kind for leaf in leaves(of.grown.element)} if isinstance(of, TracedList) and of.grown else {"int"}
    return result if kinds == {"tensor"} else python_number(result)


def _sum(items: Any, start: Any = 0) -> Any:
    items = plain(items)
    if lazy(items) is None:
        return sum(items, start)
    return start + _numbers(_column(items).sum(0), items)


def _any(items: Any) -> Any:
    if lazy(items) is not None:
        return SymBool("is", _column(items).bool().any())
    items = list(items)
    return or_(truth(items[0]), *[lambda x=x: truth(x) for x in items[1:]]) if items else False


def _all(items: Any) -> Any:
    if lazy(items) is not None:
        return SymBool("is", _column(items).bool().all())
    items = list(items)
    return and_(truth(items[0]), *[lambda x=x: truth(x) for x in items[1:]]) if items else True


# ---- items -----------------------------------------------------------------------------------------------------------


def _range(*bounds: Any) -> Any:
    bounds = tuple(_int(b) if _is_open(b) else b for b in bounds)
    if not any(isinstance(b, Symbolic) for b in bounds):
        return range(*bounds)
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if isinstance(step, SymInt):
        raise UntraceableError("range with a step that depends on the data has an unknown direction", "a known step")
    size = (stop - start + step - (1 if step > 0 else -1)) // step
    return LazyItems(Lazy(maximum(size, 0), lambda i: start + i * step))


def _enumerate(items: Any, start: Any = 0) -> Any:
    many = lazy(items)
    if many is None and not isinstance(start, Symbolic):
        return enumerate(plain(items), start)
    many = many or indexed(items)
    return LazyItems(Lazy(many.size, lambda i: (i + start, many.at(i))))


def _zip(*many: Any, strict: bool = False) -> Any:
    if all(lazy(x) is None for x in many):
        return zip(*map(plain, many), strict=strict)
    parts = [indexed(x) for x in many]
    sizes = [p.size for p in parts if p.size is not None]
    return LazyItems(Lazy(functools.reduce(minimum, sizes), lambda i: tuple(p.at(i) for p in parts)))


def _reversed(items: Any) -> Any:
    many = lazy(items)
    if many is None:
        return iter(items.unbind(0)[::-1]) if is_traced(items) else reversed(plain(items))
    size = many.size
    if size is None:
        raise TypeError("'itertools.count' object is not reversible")
    return LazyItems(Lazy(size, lambda i: many.at(size - 1 - i)))


def _list(items: Any = ()) -> TracedList:
    if lazy(items) is None:
        return TracedList(plain(items))
    if isinstance(items, TracedList):
        return items.copy()
    made: TracedList = comprehension("ListComp", items, None, lambda _: True, lambda x: x, False)
    return made


def _tuple(items: Any = ()) -> Any:
    return tuple(plain(items)) if lazy(items) is None else _list(items)


def _map(function: Any, *many: Any) -> Any:
    function = called(function)
    if all(lazy(x) is None for x in many):
        return map(function, *map(plain, many))
    return comprehension("ListComp", _zip(*many), None, lambda _: True, lambda x: function(*x), False)


def _filter(function: Any, items: Any) -> Any:
    keep = called(function) if function is not None else truth
    return comprehension("ListComp", items, None, keep, lambda x: x, False)


def _sorted(items: Any, *, key: Any = None, reverse: Any = False) -> Any:
    if lazy(items) is None:
        items = list(items)
        if not any(_is_open(x if key is None else called(key)(x)) for x in items):
            return TracedList(sorted(items, key=None if key is None else called(key), reverse=reverse))
    if key is not None:
        raise UntraceableError("sorted with a key, of what depends on the data", "argsort, or sorted without a key")
    items = items if isinstance(items, TracedList) else TracedList(items) if lazy(items) is None else _list(items)
    grown = items._grown()
    return TracedList.of(grown._replace(columns=(items.column().sort(descending=reverse).values,)))


def _reduce(function: Any, items: Any, *start: Any) -> Any:
    function = called(function)
    many = lazy(items)
    if many is None:
        return functools.reduce(function, items, *start)
    result = start[0] if start else many.at(0)
    first = 0 if start else 1

    def body(i: Any) -> None:
        nonlocal result
        result = function(result, many.at(i + first))

    for_(_range(_len(items) - first), body, None, ("result",))
    return result


def _next(iterator: Any, *default: Any) -> Any:
    if depth() > 1:
        raise UntraceableError(
            "next() on a way that the data decides about: which item comes next would be baked in",
            "an index, or a `for`",
        )
    if isinstance(iterator, TracedList):  # of a generator expression
        return choose(iterator.size > 0, lambda: iterator[0], lambda: default[0]) if default else iterator[0]
    return next(iterator, *default)


def _str(x: Any = "") -> Any:
    return TracedText(str(x)) if _is_open(x) or isinstance(x, TracedText) else str(x)


def _hashed(kind: Any) -> Callable[..., Any]:
    def function(items: Any = (), *rest: Any, **entries: Any) -> Any:
        if lazy(items) is not None or (not isinstance(items, dict) and any(map(_is_open, _keys(items)))):
            raise UntraceableError(f"a {kind.__name__} of values that depend on the data", "a list or a tensor")
        return kind(items, *rest, **entries)

    return function


def _keys(items: Any) -> list[Any]:
    """The items that a set or dict of them would look for."""
    known = list(items) if isinstance(items, list | tuple) else []
    return [x[0] if isinstance(x, tuple) and x else x for x in known]


def _iter(items: Any, *rest: Any) -> Any:
    return iter(items, *rest) if lazy(items) is None else LazyItems(lazy(items))  # type: ignore[arg-type]


def _math(name: str) -> Callable[..., Any]:
    native, method = getattr(math, name), {"fabs": "abs", "pow": "pow"}.get(name, name)

    def function(x: Any, *rest: Any) -> Any:
        if not any(_is_open(y) for y in (x, *rest)):
            return native(x, *rest)
        tensors = [SymFloat.of(_number(y)).tensor for y in (x, *rest)]
        result = getattr(tensors[0], method)(*tensors[1:])
        return SymBool("is", result) if result.dtype is lampion.bool else SymFloat(result)

    return function


def _whole(name: str) -> Callable[[Any], Any]:
    native = getattr(math, name)
    return lambda x: getattr(SymFloat.of(_number(x)), f"__{name}__")() if _is_open(x) else native(x)


_MATH = (
    "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
    "sinh", "cosh", "tanh", "fabs", "pow", "hypot", "isnan", "isinf", "isfinite", "erf",
)  # fmt: skip

BUILTINS |= {
    int: _int, float: _float, bool: _bool, len: _len, isinstance: _isinstance, str: _str, repr: _str,
    min: _extremum("min", minimum), max: _extremum("max", maximum), sum: _sum, any: _any, all: _all,
    range: _range, enumerate: _enumerate, zip: _zip, reversed: _reversed, list: _list, tuple: _tuple, map: _map,
    filter: _filter, sorted: _sorted, functools.reduce: _reduce, next: _next, iter: _iter,
    **{kind: _hashed(kind) for kind in (set, frozenset, dict)},
    **{getattr(math, name): _math(name) for name in _MATH},
    **{getattr(math, name): _whole(name) for name in ("floor", "ceil", "trunc")},
}  # fmt: skip
