"""Indexing, gathering and scattering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.comparison import where
from lampion.ops.create import arange, full, zeros_like
from lampion.ops.dims import axis
from lampion.ops.promote import Op, as_tensor, cast
from lampion.symbolic import (
    Shape,
    Size,
    Spec,
    SymInt,
    broadcast_shapes,
    fresh_axis,
    from_front,
    maximum,
    minimum,
    numel,
    same,
)
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Slice(Op):
    """x[start:stop:step] along every dim; `ranges[i]` is (start, stop, step) with 0 <= start <= stop, step > 0."""

    view = True

    def __init__(self, ranges: tuple[tuple[Size, Size, int], ...]) -> None:
        self.ranges = ranges

    def forward(self, x: Any) -> Any:
        return x[tuple(slice(*r) for r in self.ranges)]

    def infer(self, x: Any) -> Spec:
        return Spec(tuple((stop - start + step - 1) // step for start, stop, step in self.ranges), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (Unslice(self.ranges, x.shape)(g),)

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        places = Slice(self.ranges)(numbered(base))
        back: Tensor = Put()(base, places.reshape(-1), new.reshape(-1))
        return back


class Unslice(Op):
    """Zeros of `shape`, with x at the places that `Slice` with the same ranges takes."""

    def __init__(self, ranges: tuple[tuple[Size, Size, int], ...], shape: Shape) -> None:
        self.ranges = ranges
        self.shape = shape

    def forward(self, x: Any) -> Any:
        out = np.zeros(self.shape, x.dtype)
        out[tuple(slice(*r) for r in self.ranges)] = x
        return out

    def infer(self, x: Any) -> Spec:
        return Spec(self.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (Slice(self.ranges)(g),)


class Index(Op):
    """x[..., i, j, ...]: integer arrays of one broadcast shape at dims `dim`, `dim + 1`, ...; their shape takes that place."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any, *indices: Any) -> Any:
        return x[(slice(None),) * self.dim + indices]

    def infer(self, x: Any, *indices: Any) -> Spec:
        middle = broadcast_shapes(*[i.shape for i in indices])
        return Spec((*x.shape[: self.dim], *middle, *x.shape[self.dim + len(indices) :]), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, *indices: Tensor) -> tuple[Any, ...]:
        return (lambda: IndexAdd(self.dim, x.shape)(g, *indices)), *[None] * len(indices)


class IndexAdd(Op):
    """Zeros of `shape`, to which x is added at the places that `Index` takes."""

    def __init__(self, dim: int, shape: Shape) -> None:
        self.dim = dim
        self.shape = shape

    def forward(self, x: Any, *indices: Any) -> Any:
        out = np.zeros(self.shape, x.dtype)
        np.add.at(out, (slice(None),) * self.dim + indices, x)
        return out

    def infer(self, x: Any, *indices: Any) -> Spec:
        return Spec(self.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, *indices: Tensor) -> tuple[Any, ...]:
        return (lambda: Index(self.dim)(g, *indices)), *[None] * len(indices)


class Gather(Op):
    """out[i][j] = x[i][index[i][j]] for dim 1, and so for every dim; index may be smaller than x elsewhere."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any, index: Any) -> Any:
        x = x[tuple(slice(None) if d == self.dim else slice(n) for d, n in enumerate(index.shape))]
        return np.take_along_axis(x, index, self.dim)

    def infer(self, x: Any, index: Any) -> Spec:
        return Spec(index.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, index: Tensor) -> tuple[Any, ...]:
        return (lambda: ScatterAdd(self.dim)(zeros_like(x), index, g)), None


class ScatterAdd(Op):
    """x, with source[i][j] added at x[i][index[i][j]] for dim 1, and so for every dim."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any, index: Any, source: Any) -> Any:
        out = x.copy()
        np.add.at(out, places_along(index, self.dim), source[tuple(slice(n) for n in index.shape)])
        return out

    def infer(self, x: Any, index: Any, source: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, index: Tensor, source: Tensor) -> tuple[Any, ...]:
        return g, None, (lambda: _grown(Gather(self.dim)(g, index), source.shape))


class Scatter(Op):
    """x, with source[i][j] put at x[i][index[i][j]] for dim 1, and so for every dim; of several for one place one counts."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any, index: Any, source: Any) -> Any:
        out = x.copy()
        out[places_along(index, self.dim)] = source[tuple(slice(n) for n in index.shape)]
        return out

    def infer(self, x: Any, index: Any, source: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, index: Tensor, source: Tensor) -> tuple[Any, ...]:
        return (
            lambda: Scatter(self.dim)(g, index, zeros_like(index, dtype=g.dtype)),
            None,
            lambda: _grown(Gather(self.dim)(g, index), source.shape),
        )


class Put(Op):
    """x, with values at flat places; of several values for one place the last counts."""

    def forward(self, x: Any, places: Any, values: Any) -> Any:
        out = x.copy()
        out.reshape(-1)[places] = values
        return out

    def infer(self, x: Any, places: Any, values: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, places: Tensor, values: Tensor) -> tuple[Any, ...]:
        return (lambda: Put()(g, places, zeros_like(values))), None, (lambda: g.reshape(-1)[places])


class Nonzero(Op):
    """The indices of the elements other than 0: int64 [count, ndim]. The count depends on the data."""

    def forward(self, x: Any) -> Any:
        return np.argwhere(x).astype(np.int64)

    def infer(self, x: Any) -> Spec:
        return Spec((fresh_axis(), len(x.shape)), np.int64)


# ---- functions ------------------------------------------------------------------------------------------------------


def getitem(input: Tensor, key: Any) -> Tensor:
    """x[key]: ints, slices, `...`, None, bool and integer tensors or arrays, and lists, as PyTorch and numpy have them."""
    sliced, arrays = _basic(input, key)
    if not arrays:
        return sliced
    dims = sorted(arrays)
    indices = [arrays[d] for d in dims]
    if dims == list(range(dims[0], dims[0] + len(dims))):
        return Index(dims[0])(sliced, *indices)
    rest = [d for d in range(sliced.ndim) if d not in arrays]
    return Index(0)(sliced.permute(*dims, *rest), *indices)


def assign(input: Tensor, key: Any, value: Any) -> Tensor:
    """What `input` becomes by x[key] = value: the old elements where the key does not point, the new ones where it does."""
    places = getitem(numbered(input), key)
    new = as_tensor(value, input.dtype).expand(places.shape).reshape(-1)
    return Put()(input, places.reshape(-1), new)


def write(input: Tensor, key: Any, value: Any) -> None:
    """input[key] = value in the memory itself, where nothing is recorded. Raises RuntimeError where the shapes don't fit."""
    array = input._value.data
    parts = tuple(_known(p) for p in (key if isinstance(key, tuple) else (key,)))
    new = value._value.data if isinstance(value, Handle) else value
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            array[parts] = new
    except ValueError as error:
        raise RuntimeError(
            f"index: shape mismatch: a value of shape {list(np.shape(new))} does not broadcast to the indexing result of shape "
            f"{list(array[parts].shape)}"
        ) from error
    input._value.version.writes += 1


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Picks along `dim` by an integer index of the same number of dims. `sparse_grad` changes nothing: gradients are dense."""
    if input.ndim == 0:
        return gather(input.reshape(1), dim, index.reshape(-1)).reshape(index.shape)
    if same(numel(index.shape), 0) and index.ndim != input.ndim:  # PyTorch takes nothing from any shape
        return input.reshape(-1)[:0].reshape(index.shape)
    dim = axis_of("gather", input, dim, index)
    return Gather(dim)(input, cast(index, dtypes.int64))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added at the places that `index` names along `dim`."""
    if input.ndim == 0:
        return scatter_add(input.reshape(1), dim, index.reshape(-1), src.reshape(-1)).reshape(())
    dim = axis_of("scatter_add", input, dim, index, src)
    return ScatterAdd(dim)(input, cast(index, dtypes.int64), src)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """`input` with the entries of alpha * `source` along `dim` added at those of a 1-d int `index`."""
    if input.ndim == 0:
        return index_add(input.reshape(1), dim, index.reshape(-1), source.reshape(-1), alpha=alpha).reshape(())
    dim = axis(dim, input.ndim, "index_add")
    return input + IndexAdd(dim, input.shape)(source * alpha, wrapped(index.reshape(-1), input.shape[dim]))


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with the entries of `source` along `dim` put at those of a 1-d int `index`."""
    if input.ndim == 0:
        return index_copy(input.reshape(1), dim, index.reshape(-1), source.reshape(-1)).reshape(())
    if source.dtype is not input.dtype:
        raise RuntimeError(f"index_copy: expected source of dtype {input.dtype}, got {source.dtype}")
    dim = axis(dim, input.ndim, "index_copy")
    places = wrapped(index, input.shape[dim]).reshape(-1, *(1,) * (input.ndim - dim - 1))
    return Scatter(dim)(input, places.expand(source.shape), source)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with a number at the entries along `dim` that a 1-d int `index` names."""
    if input.ndim == 0:
        return index_fill(input.reshape(1), dim, index.reshape(-1), value).reshape(())
    dim = axis(dim, input.ndim, "index_fill")
    shape = (*input.shape[:dim], numel(index.shape), *input.shape[dim + 1 :])
    hit = IndexAdd(dim, input.shape)(full(shape, 1), wrapped(index.reshape(-1), input.shape[dim])) > 0
    return masked_fill(input, hit, value)


def index_put(input: Tensor, indices: tuple[Tensor, ...], values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` put at input[indices], or added there with `accumulate`."""
    if not accumulate:
        return assign(input, tuple(indices), values)
    places = getitem(numbered(input), tuple(indices))
    new = as_tensor(values, input.dtype).expand(places.shape)
    return (input.reshape(-1) + IndexAdd(0, (numel(input.shape),))(new, places)).reshape(input.shape)


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened `input` at `index`, in its shape."""
    return getitem(input.reshape(-1), index)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Picks along `dim` (of the flattened tensor if None); the other dims broadcast."""
    if dim is None:
        return take(input, indices.reshape(-1))
    dim = axis_of("take_along_dim", input, dim, indices, inside=False)
    rest = broadcast_shapes(*[(*x.shape[:dim], 1, *x.shape[dim + 1 :]) for x in (input, indices)])
    x, i = (y.expand(*rest[:dim], y.shape[dim], *rest[dim + 1 :]) for y in (input, indices))
    return gather(x, dim, wrapped(i, input.shape[dim]))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The entries of a 1-d int `index` along `dim`."""
    if input.ndim == 0:
        return index_select(input.reshape(1), dim, index.reshape(-1)).reshape(())
    dim = axis(dim, input.ndim, "index_select")
    return Index(dim)(input, wrapped(index.reshape(-1), input.shape[dim]))


def take_rows(table: Tensor, index: Tensor) -> Tensor:
    """table[index] for an int index of any shape: an embedding's look-up. Raises IndexError outside the table."""
    return Index(0)(table, wrapped(index, table.shape[0]))


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements other than 0, int64 [count, ndim]; with `as_tuple` a vector for every dim."""
    if as_tuple:
        return nonzero(input.reshape(-1) if input.ndim == 0 else input).unbind(1)
    return Nonzero()(input)


def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements other than 0, int64 [count, ndim]."""
    return nonzero(input)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` holds, in a vector."""
    shape = broadcast_shapes(input.shape, mask.shape) or (1,)
    return getitem(input.expand(shape), mask.expand(shape))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where `mask` holds, else `input`."""
    return where(mask, as_tensor(value, input.dtype), input)


def numbered(input: Tensor) -> Tensor:
    """0, 1, 2, ... in the shape of `input`."""
    return arange(numel(input.shape)).reshape(input.shape)


def _known(part: Any) -> Any:
    """One part of an index as numpy takes it."""
    if isinstance(part, slice) and part.step is not None:
        _check_step(int(part.step))
    if isinstance(part, bool):
        raise TypeError("index: a Python bool is no index here; use a bool tensor")
    return part._value.data if isinstance(part, Handle) else part


def places_along(index: Any, dim: int) -> tuple[Any, ...]:
    """numpy's index of the elements that `index` names along `dim`."""
    places: list[Any] = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    places[dim] = index
    return tuple(places)


def _grown(x: Tensor, shape: Shape) -> Tensor:
    """Zeros of `shape` with `x` in the corner of all dims' first elements."""
    if all(map(same, x.shape, shape)):
        return x
    return Unslice(tuple((0, n, 1) for n in x.shape), shape)(x)


def _basic(x: Tensor, key: Any) -> tuple[Tensor, dict[int, Tensor]]:
    """Everything but index arrays is done on `x`; those are left, by dim of the result."""
    parts = _expanded(x, key if isinstance(key, tuple) else (key,))
    ranges: list[tuple[Size, Size, int]] = []
    shape: list[Any] = []
    arrays: dict[int, Tensor] = {}
    dim = 0
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        size = x.shape[dim]
        if isinstance(part, slice):
            start, stop, step = _range(part, size)
            ranges.append((start, stop, step))
            shape.append((stop - start + step - 1) // step)
        elif _is_number(part):
            place = _checked(part, size, dim)
            ranges.append((place, place + 1, 1))
        else:
            arrays[len(shape)] = wrapped(part, size)
            ranges.append((0, size, 1))
            shape.append(size)
        dim += 1
    if any(not (same(a, 0) and same(b, n) and c == 1) for (a, b, c), n in zip(ranges, x.shape, strict=True)):
        x = Slice(tuple(ranges))(x)
    if len(shape) != x.ndim or not all(map(same, shape, x.shape)):
        x = x.reshape(shape)
    return x, arrays


def _expanded(x: Tensor, key: tuple[Any, ...]) -> list[Any]:
    """One entry for every dim of `x`, and None for every new one: masks as indices, `...` and missing dims as slices."""
    parts: list[Any] = []
    for part in key:
        if isinstance(part, bool):
            raise TypeError("index: a Python bool is no index here; use a bool tensor")
        if isinstance(part, list | np.ndarray):
            part = as_tensor(part)
        if isinstance(part, Handle) and part._value.data.dtype == np.bool_:
            _check_mask(part, x, sum(1 for p in parts if p is not None and p is not Ellipsis))
            parts.extend(nonzero(part).unbind(1))  # type: ignore[arg-type]
        elif isinstance(part, Handle) and part._value.data.ndim == 0 and isinstance(part._value.data, np.ndarray):
            parts.append(int(part._value.data))
        else:
            parts.append(part)
    taken = sum(1 for p in parts if p is not None and p is not Ellipsis)
    if taken > x.ndim:
        raise IndexError(f"index: too many indices: {taken} for a tensor of {x.ndim} dimensions")
    gap = [slice(None)] * (x.ndim - taken)
    place = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    return [*parts[:place], *gap, *[p for p in parts[place:] if p is not Ellipsis]]


def _check_mask(mask: Any, x: Tensor, dim: int) -> None:
    """Raises IndexError where a mask after the first `dim` indices doesn't have the shape that it meets."""
    met = x.shape[dim : dim + len(mask.shape)]
    if any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(mask.shape, met, strict=False)):
        raise IndexError(f"index: the mask {list(mask.shape)} does not fit {list(met)} of the shape {list(x.shape)}")


def _check_places(index: Tensor, input: Tensor, dim: int) -> None:
    """Raises RuntimeError for an index along `dim` outside of the input."""
    places, size = index._value.data, input.shape[dim] if input.ndim else 1
    if isinstance(places, np.ndarray) and places.size and isinstance(size, int):
        bad = places.max() if places.max() >= size else places.min()
        if not 0 <= bad < size:
            raise RuntimeError(f"index {bad} is out of bounds for dimension {dim} with size {size}")


def _range(part: slice, size: Size) -> tuple[Size, Size, int]:
    """start, stop and step of the elements, with 0 <= start <= stop."""
    step = 1 if part.step is None else int(part.step)
    _check_step(step)
    start = _bound(part.start, size, 0)
    return start, maximum(start, _bound(part.stop, size, size)), step


def _check_step(step: int) -> None:
    if step < 1:
        raise ValueError(f"index: slice step must be greater than zero, got {step}; use flip(dim) to go backwards")


def _bound(bound: Any, size: Size, default: Size) -> Size:
    if bound is None:
        return default
    if isinstance(bound, Handle):
        bound = bound.item()  # type: ignore[attr-defined]
    if isinstance(bound, SymInt):
        return maximum(minimum(from_front(bound, size), size), 0)
    return maximum(size + bound, 0) if bound < 0 else minimum(bound, size)


def _is_number(part: Any) -> bool:
    return isinstance(part, int | np.integer | SymInt)


def _checked(i: Any, size: Size, dim: int) -> Size:
    if isinstance(i, SymInt) or isinstance(size, SymInt):
        return from_front(i, size)
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {size}")
    return int(i) % size


def wrapped(index: Any, size: Size) -> Tensor:
    """An int64 index with negative entries counted from the front. Raises IndexError outside [-size, size)."""
    index = cast(as_tensor(index), dtypes.int64) if as_tensor(index).dtype.category == dtypes.INTEGER else index
    data = index._value.data if isinstance(index, Handle) else None
    if data is None or data.dtype.kind not in "iu":
        raise IndexError(f"index: expected integers or bools, got {getattr(index, 'dtype', type(index).__name__)}")
    if not isinstance(data, np.ndarray):
        return index
    if data.size and isinstance(size, int) and (data.max() >= size or data.min() < -size):
        bad = data.max() if data.max() >= size else data.min()
        raise IndexError(f"index {bad} is out of bounds for dimension with size {size}")
    return index + size * (index < 0) if data.size and data.min() < 0 else index


def axis_of(who: str, input: Tensor, dim: int, index: Tensor, source: Any = None, *, inside: bool = True) -> int:
    """`dim` from the front. Raises RuntimeError where index, source and input don't fit, or a place lies outside."""
    if index.dtype.category != dtypes.INTEGER:
        raise RuntimeError(f"{who}: expected dtype int64 for index, got {index.dtype}")
    if index.ndim != input.ndim or (source is not None and source.ndim != input.ndim):
        other = "" if source is None else f" and source {list(source.shape)}"
        raise RuntimeError(
            f"{who}: index {list(index.shape)}{other} must have as many dimensions as input {list(input.shape)}"
        )
    if source is not None and source.dtype is not input.dtype:
        raise RuntimeError(f"{who}: expected source of dtype {input.dtype}, got {source.dtype}")
    dim = axis(dim, input.ndim, who)
    if inside:
        _check_places(index, input, dim)
    return dim
