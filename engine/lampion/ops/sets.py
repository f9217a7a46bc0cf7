"""Which elements occur, where they belong in an order, and runs of equals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.create import new
from lampion.ops.dims import axis
from lampion.ops.promote import as_tensor, cast, promoted
from lampion.ops.sorting import sort

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among the test elements (with `invert`: is not). Either may be a number."""
    x, tests = promoted(elements, test_elements)
    found = (x.unsqueeze(-1) == tests.reshape(-1)).any(-1)
    return ~found if invert else found


def msort(input: Tensor) -> Tensor:
    """The elements in order along the first dim."""
    return sort(input, 0).values


def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """How many elements of each sorted row lie below each value (with `right`: not above it), so where it belongs; int64.

    `sorted_sequence` is [n], or [..., n] with the same leading dims as `input` [..., m]; `sorter` are the places that sort it.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise RuntimeError(
            f"searchsorted: expected side 'left' or 'right' that agrees with right={right}, got {side!r}"
        )
    row = sorted_sequence if sorter is None else sorted_sequence.gather(-1, sorter)
    row, x = promoted(row, input)
    if row.ndim > 1 and tuple(row.shape[:-1]) != tuple(x.shape[:-1]):
        raise RuntimeError(
            f"searchsorted: expected input with the leading dims of sorted_sequence {list(row.shape)}, got {list(x.shape)}"
        )
    row, x = row.unsqueeze(-2) if row.ndim > 1 else row, x.unsqueeze(-1)
    before = ~(row > x) if right or side == "right" else ~(row >= x)  # so that a nan belongs behind everything
    count = before.sum(-1)
    return cast(count, dtypes.int32) if out_int32 else count


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the bucket between sorted boundaries to which each element belongs."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize: expected boundaries of 1 dim, got shape {list(boundaries.shape)}")
    return searchsorted(boundaries, as_tensor(input), out_int32=out_int32, right=right)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of every run of equal elements (or slices along `dim`); on request each one's run, and the runs' lengths."""
    array = input._known("unique_consecutive()", "a mask, which keeps the shape")
    along = 0 if dim is None else axis(dim, input.ndim, "unique_consecutive")
    dim = dim if input.ndim else None
    rows = array.reshape(-1) if dim is None else np.moveaxis(array, along, 0)
    differs = (rows[1:] != rows[:-1]).any(axis=tuple(range(1, rows.ndim)))
    first = np.concatenate([np.ones(min(len(rows), 1), bool), differs])
    starts = np.flatnonzero(first)
    found = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, along)
    inverse = np.cumsum(first) - 1
    counts = np.diff(np.append(starts, len(rows)))
    wanted = [
        found,
        *[inverse.reshape(array.shape) if dim is None else inverse] * return_inverse,
        *[counts] * return_counts,
    ]
    results = tuple(new(np.array(a), False) for a in wanted)
    return results if len(results) > 1 else results[0]
