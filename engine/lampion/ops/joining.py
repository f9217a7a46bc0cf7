"""Tensors side by side, in blocks and in every combination."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes, symbolic
from lampion.ops.create import new, zeros
from lampion.ops.promote import cast, promoted
from lampion.ops.shape import cat, meshgrid, ravel, reshape, sizes, stack

if TYPE_CHECKING:
    from lampion.tensor import Tensor


concat = concatenate = cat


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape to which all of `shapes` broadcast. Raises RuntimeError where they don't."""
    from lampion.tensor import Size

    return Size(symbolic.broadcast_shapes(*[(s,) if isinstance(s, int) else tuple(s) for s in shapes]))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors expanded to the one shape to which they broadcast."""
    many = sizes(tensors)
    shape = symbolic.broadcast_shapes(*[x.shape for x in many])
    return tuple(x.expand(shape) for x in many)


def atleast_1d(*tensors: Any) -> Any:
    """With a dim where there is none; several tensors give a tuple."""
    return _each(lambda x: x.reshape(1) if x.ndim == 0 else x, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """With dims of size 1 in front up to two; several tensors give a tuple."""
    return _each(_as_matrix, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Vectors as [1, n, 1], matrices as [n, m, 1]; several tensors give a tuple."""
    return _each(lambda x: x if x.ndim > 2 else _as_matrix(x).unsqueeze(-1), tensors)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins along dim 1, vectors along their only dim."""
    many = _at_least(1, tensors, "hstack")
    return cat(many, 0 if many[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins along dim 0, vectors as rows."""
    return cat(_at_least(2, tensors, "vstack"), 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins along dim 2, after `atleast_3d`."""
    return cat(_at_least(3, tensors, "dstack"), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Joins along dim 1, vectors as columns."""
    return hstack([x if x.ndim > 1 else x.reshape(-1, 1) for x in tensors])


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of one, zeros elsewhere; numbers and vectors count as rows."""
    blocks = promoted(*[_as_matrix(x) for x in tensors])
    if any(x.ndim != 2 for x in blocks):
        raise RuntimeError(f"block_diag: expected at most 2 dims, got shapes {[list(x.shape) for x in tensors]}")
    width = sum(x.shape[1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        rows.append(x.pad_constant((before, width - before - x.shape[1])))
        before = before + x.shape[1]
    return cat(rows, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every choice of one element from each vector, a row each; of one vector itself."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(grid) for grid in meshgrid(*tensors)], -1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of `r` elements of a vector in order, a row each."""
    if input.ndim != 1:
        raise RuntimeError(f"combinations: expected a vector, got shape {list(input.shape)}")
    if r == 0:
        return zeros(0, dtype=input.dtype)
    choose: Any = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return input[new(places, False)]


def _as_matrix(x: Tensor) -> Tensor:
    return x if x.ndim > 1 else reshape(x, (1, -1))


def _at_least(ndim: int, tensors: Sequence[Tensor], who: str) -> list[Tensor]:
    if not len(tensors):
        raise RuntimeError(f"{who}: expected a non-empty list of Tensors")
    grow = {1: atleast_1d, 2: atleast_2d, 3: atleast_3d}[ndim]
    common = dtypes.result_type(tuple((2, x.dtype) for x in tensors))
    return [cast(grow(x), common) for x in tensors]


def _each(grow: Any, tensors: tuple[Any, ...]) -> Any:
    many = sizes(tensors)
    if len(tensors) == 1 and not isinstance(tensors[0], list | tuple):
        return grow(tensors[0])
    return tuple(grow(x) for x in many)
