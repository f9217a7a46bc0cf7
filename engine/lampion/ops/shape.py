"""Ops that move elements without computing on them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.errors import UntraceableError
from lampion.ops.dims import axes, axis
from lampion.ops.elementwise import unbroadcast
from lampion.ops.promote import Op, as_tensor, cast
from lampion.symbolic import Shape, Size, Spec, SymBool, SymInt, numel, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Reshape(Op):
    """The same elements in row-major order under another shape."""

    view = True

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, x: Any) -> Any:
        return x.reshape(self.shape)

    def infer(self, x: Any) -> Spec:
        return Spec(self.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g.reshape(x.shape),)

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        return new.reshape(base.shape)


class Permute(Op):
    """Dimensions in another order."""

    view = True

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Any) -> Any:
        return x.transpose(self.dims)

    def infer(self, x: Any) -> Spec:
        return Spec(tuple(x.shape[d] for d in self.dims), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (self.put_back(x, g),)

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        back: Tensor = Permute(tuple(self.dims.index(i) for i in range(len(self.dims))))(new)
        return back


class Expand(Op):
    """Repeats along dims of size 1, without copying."""

    view = True

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, x: Any) -> Any:
        return np.broadcast_to(x, self.shape)

    def infer(self, x: Any) -> Spec:
        return Spec(self.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (unbroadcast(g, x),)

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        raise RuntimeError(
            f"in-place: elements of the expanded tensor of shape {list(self.shape)} share a place in memory; clone() it first"
        )


class Flip(Op):
    """Reverses the order along `dims`."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Any) -> Any:
        return np.flip(x, self.dims).copy()

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (Flip(self.dims)(g),)


class Concat(Op):
    """Joins along `dim`."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, *arrays: Any) -> Any:
        return np.concatenate(arrays, axis=self.dim)

    def infer(self, *inputs: Any) -> Spec:
        shape = list(inputs[0].shape)
        shape[self.dim] = builtins.sum(x.shape[self.dim] for x in inputs)
        return Spec(tuple(shape), inputs[0].dtype)

    def gradient(self, g: Tensor, out: Tensor, *inputs: Tensor) -> tuple[Any, ...]:
        ends = [0]
        for x in inputs:
            ends.append(ends[-1] + x.shape[self.dim])
        return tuple(g.narrow(self.dim, a, b - a) for a, b in pairwise(ends))


class Pad(Op):
    """Adds constant elements: `before[i]` and `after[i]` along dim i."""

    def __init__(self, before: Shape, after: Shape, value: float = 0) -> None:
        self.before, self.after, self.value = before, after, value

    def forward(self, x: Any) -> Any:
        return np.pad(x, list(zip(self.before, self.after, strict=True)), constant_values=self.value)

    def infer(self, x: Any) -> Spec:
        return Spec(tuple(n + b + a for n, b, a in zip(x.shape, self.before, self.after, strict=True)), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        key = tuple(slice(b, b + n) for b, n in zip(self.before, x.shape, strict=True))
        return (g[key],)


# ---- functions ------------------------------------------------------------------------------------------------------


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements under another shape, one size of which may be -1. Raises RuntimeError where they don't fit."""
    return Reshape(_filled(input.shape, sizes(shape)))(input)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Joins the dims from `start_dim` to `end_dim`, both included."""
    if input.ndim == 0:
        return reshape(input, 1)
    start, end = axis(start_dim, input.ndim, "flatten"), axis(end_dim, input.ndim, "flatten")
    if start > end:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    shape = input.shape
    return reshape(input, (*shape[:start], numel(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[Size]) -> Tensor:
    """Splits `dim` into several."""
    dim = axis(dim, input.ndim, "unflatten")
    shape = input.shape
    return reshape(input, (*shape[:dim], *_filled((shape[dim],), tuple(sizes)), *shape[dim + 1 :]))


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dimensions in the order of `dims`."""
    order = tuple(axis(d, input.ndim, "permute") for d in sizes(dims))
    if sorted(order) != list(range(input.ndim)):
        raise RuntimeError(f"permute: expected each of the {input.ndim} dims once, got {list(order)}")
    return Permute(order)(input)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swaps two dimensions."""
    if input.ndim == 0:
        return input
    a, b = axis(dim0, input.ndim, "transpose"), axis(dim1, input.ndim, "transpose")
    order = list(range(input.ndim))
    order[a], order[b] = b, a
    return Permute(tuple(order))(input)


swapaxes = transpose


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Moves dimensions to other places; the others keep their order."""
    a, b = _places(source, input.ndim), _places(destination, input.ndim)
    if len(a) != len(b):
        raise RuntimeError(f"movedim: expected as many destinations as sources, got {source} and {destination}")
    order = [i for i in range(input.ndim) if i not in a]
    for place, dim in sorted(zip(b, a, strict=True)):
        order.insert(place, dim)
    return Permute(tuple(order))(input)


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors stay as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t: expected at most 2 dimensions, got shape {list(input.shape)}; use transpose or permute")
    return transpose(input, 0, 1) if input.ndim == 2 else input


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Drops dims of size 1: all, or those of `dim` that have it."""
    which = axes(dim, input.ndim, "squeeze") if dim != () else ()
    return reshape(input, tuple(n for i, n in enumerate(input.shape) if i not in which or not _is_one(n)))


def _is_one(n: Size) -> bool:
    hit = n == 1
    if isinstance(hit, SymBool):
        raise UntraceableError(
            f"squeeze: whether the dim of size `{n}` is dropped depends on that size, and with it the number of dims",
            "squeeze(dim) for the dims whose size is always 1",
        )
    return bool(hit)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dim of size 1 at place `dim`."""
    place = axis(dim, input.ndim + 1, "unsqueeze")
    return reshape(input, (*input.shape[:place], 1, *input.shape[place:]))


def expand(input: Tensor, *sizes_: Any) -> Tensor:
    """Repeats along dims of size 1 without copying; -1 keeps a size. Raises RuntimeError for other dims."""
    target = sizes(sizes_)
    extra = len(target) - input.ndim
    old = (1,) * extra + tuple(input.shape)
    shape = (
        tuple(o if isinstance(n, int) and n == -1 else n for o, n in zip(old, target, strict=True))
        if extra >= 0
        else ()
    )
    fits = all(same(o, 1) or same(o, n) or isinstance(o, SymInt) for o, n in zip(old, shape, strict=False))
    if extra < 0 or not fits:
        raise RuntimeError(f"expand: shape {list(input.shape)} does not expand to {list(target)}")
    return Expand(shape)(input)


def flip(input: Tensor, *places: Any, dims: Sequence[int] | None = None) -> Tensor:
    """Reverses the order along dims: flip(x, 0, 1), flip(x, (0, 1)) or flip(x, dims=(0, 1))."""
    which = sizes(places) if dims is None else tuple(dims)
    return Flip(axes(which, input.ndim, "flip"))(input) if which else input.clone()


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors along `dim`. Raises RuntimeError where another dim differs."""
    if not tensors:
        raise RuntimeError("cat: expected a non-empty list of Tensors")
    # PyTorch's rule from before there were empty dims: an empty vector joins anything
    tensors = [x for x in tensors if x.ndim != 1 or not same(x.shape[0], 0)] or tensors[:1]
    first = tensors[0]
    dim = axis(dim, first.ndim, "cat")
    for i, x in enumerate(tensors):
        if x.ndim != first.ndim or any(
            not _agree(a, b) for j, (a, b) in enumerate(zip(x.shape, first.shape, strict=True)) if j != dim
        ):
            raise RuntimeError(
                f"cat: sizes must match except in dim {dim}: tensor 0 has shape {list(first.shape)}, tensor {i} {list(x.shape)}"
            )
    common = dtypes.result_type(tuple((2, x.dtype) for x in tensors))
    return Concat(dim)(*[cast(x, common) for x in tensors])


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joins tensors of equal shape along a new `dim`."""
    if not tensors:
        raise RuntimeError("stack: expected a non-empty list of Tensors")
    first = tensors[0].shape
    for i, x in enumerate(tensors):
        if x.ndim != len(first) or not all(map(_agree, x.shape, first)):
            raise RuntimeError(
                f"stack: shapes must be equal: tensor 0 has shape {list(first)}, tensor {i} {list(x.shape)}"
            )
    return cat([unsqueeze(x, dim) for x in tensors], axis(dim, tensors[0].ndim + 1, "stack"))


def narrow(input: Tensor, dim: int, start: Any, length: Any) -> Tensor:
    """`length` elements from `start` along `dim`."""
    dim = axis(dim, input.ndim, "narrow")
    size = input.shape[dim]
    if all(isinstance(n, int) for n in (start, length, size)):
        start = start + size if start < 0 else start
        if not 0 <= start <= start + length <= size:
            raise RuntimeError(f"narrow: start {start} and length {length} reach outside dim {dim} of size {size}")
    key: list[Any] = [slice(None)] * input.ndim
    key[dim] = slice(start, start + length)
    return input[tuple(key)]


def split(input: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given size (the last may be smaller) or sizes along `dim`."""
    size = input.shape[axis(dim, input.ndim, "split")]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 1:
            raise RuntimeError(f"split: expected pieces of at least 1 element, got {step}")
        sections = [min(step, size - i) for i in range(0, size, step)]
    else:
        sections = list(split_size_or_sections)
        if isinstance(size, int) and builtins.sum(sections) != size:
            raise RuntimeError(f"split: sizes {sections} must sum to {size}, the size of dim {dim}")
    starts = [builtins.sum(sections[:i]) for i in range(len(sections))]
    return tuple(narrow(input, dim, a, n) for a, n in zip(starts, sections, strict=True))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along `dim`; the last may be smaller."""
    if chunks < 1:
        raise RuntimeError(f"chunk: expected at least 1 chunk, got {chunks}")
    size = input.shape[axis(dim, input.ndim, "chunk")]
    return split(input, -(-size // chunks), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, which goes away."""
    dim = axis(dim, input.ndim, "unbind")
    before = (slice(None),) * dim
    return tuple(input[(*before, i)] for i in range(input.shape[dim]))


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Tiles: dim i is repeated repeats[i] times."""
    times = sizes(repeats)
    if len(times) < input.ndim:
        raise RuntimeError(f"repeat: expected at least {input.ndim} repeats, got {len(times)}")
    shape = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    pairs = tuple(n for size in shape for n in (1, size))
    spread = tuple(n for t, size in zip(times, shape, strict=True) for n in (t, size))
    return reshape(expand(reshape(input, pairs), spread), tuple(t * n for t, n in zip(times, shape, strict=True)))


def pad_constant(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """Adds constants: `pad` is (before, after) of the last dim, then of the one before it, and so on."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    if any(isinstance(n, int) and n < 0 for pair in pairs for n in pair):
        input = input[tuple(slice(max(0, -b), n - max(0, -a)) for (b, a), n in zip(pairs, input.shape, strict=True))]
        pairs = [(max(b, 0), max(a, 0)) for b, a in pairs]
    return Pad(tuple(b for b, _ in pairs), tuple(a for _, a in pairs), value)(input)


constant_pad_nd = pad_constant


def broadcast_to(input: Tensor, shape: Sequence[Size]) -> Tensor:
    """Repeated along dims of size 1 to `shape`, without copying."""
    return expand(input, tuple(shape))


def ravel(input: Tensor) -> Tensor:
    """All elements as a vector."""
    return reshape(input, -1)


def tile(input: Tensor, *dims: Any) -> Tensor:
    """As `repeat`; missing repeats are 1 in front."""
    times = sizes(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every element (along `dim`; of the flattened tensor if None) several times in a row.

    `repeats` is a number, or known int64 counts, one an element; without it `input` are the counts of 0, 1, 2, ...
    """
    if repeats is None:
        return repeat_interleave(as_tensor(np.arange(input.shape[0])), input, 0)
    if dim is None or not input.ndim:
        return repeat_interleave(ravel(input), repeats, 0)
    dim = axis(dim, input.ndim, "repeat_interleave")
    if not isinstance(repeats, int):
        counts = as_tensor(repeats).numpy()
        counts = np.broadcast_to(counts, (input.shape[dim],)) if counts.size == 1 else counts
        return input.index_select(dim, as_tensor(np.repeat(np.arange(len(counts)), counts)))
    shape = input.shape
    spread = unsqueeze(input, dim + 1).expand(*shape[: dim + 1], repeats, *shape[dim + 1 :])
    return reshape(spread, (*shape[:dim], shape[dim] * repeats, *shape[dim + 1 :]))


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Moves elements on by `shifts` along `dims` (of the flattened tensor if None), the last ones to the front."""
    if dims is None:
        return reshape(roll(ravel(input), shifts, 0), input.shape)
    pairs = [(shifts, dims)] if isinstance(shifts, int) else list(zip(shifts, dims, strict=True))  # type: ignore[arg-type]
    for shift, dim in pairs:
        size = input.shape[axis(dim, input.ndim, "roll")]  # type: ignore[arg-type]
        cut = -shift % size if not same(size, 0) else 0
        input = cat([narrow(input, dim, cut, size - cut), narrow(input, dim, 0, cut)], dim)  # type: ignore[arg-type]
    return input


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Vectors as grids: result i varies along dim i; with "xy" the first two dims change places."""
    vectors = sizes(tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: expected indexing 'ij' or 'xy', got {indexing!r}")
    if indexing == "xy" and len(vectors) > 1:
        return tuple(transpose(grid, 0, 1) for grid in meshgrid(*vectors))
    shape = tuple(numel(v.shape) for v in vectors)
    spots = [tuple(n if i == d else 1 for d, n in enumerate(shape)) for i in range(len(vectors))]
    return tuple(expand(reshape(v, spot), shape) for v, spot in zip(vectors, spots, strict=True))


def sizes(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The sizes in `f(2, 3)` or `f((2, 3))`."""
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else args


def _places(dim: int | Sequence[int], ndim: int) -> list[int]:
    return [axis(d, ndim, "movedim") for d in ([dim] if isinstance(dim, int) else dim)]


def _agree(a: Size, b: Size) -> bool:
    return same(a, b) or isinstance(a, SymInt) or isinstance(b, SymInt)


def _filled(old: Shape, new: tuple[Any, ...]) -> Shape:
    """`new` with its -1 computed. Raises RuntimeError where the numbers of elements differ."""
    total = numel(old)
    unknown = [i for i, n in enumerate(new) if isinstance(n, int) and n == -1]
    known = numel(tuple(n for i, n in enumerate(new) if i not in unknown))
    bad = len(unknown) > 1
    if len(unknown) == 1 and not bad:
        bad = isinstance(total, int) and isinstance(known, int) and (known == 0 or total % known != 0)
        if not bad:
            new = tuple(total // known if i in unknown else n for i, n in enumerate(new))
    elif isinstance(total, int) and isinstance(known, int):
        bad = total != known
    if bad:
        raise RuntimeError(f"shape {list(new)} is invalid for a tensor of shape {list(old)} ({total} elements)")
    return new
