"""Rows of a table, one by one or summed up by bags."""

from __future__ import annotations

from typing import Any

from lampion import dtypes
from lampion.autograd import is_grad_enabled, no_grad
from lampion.ops.arithmetic import clamp
from lampion.ops.comparison import where
from lampion.ops.create import arange, ones
from lampion.ops.index import IndexAdd, take_rows
from lampion.ops.promote import as_tensor
from lampion.ops.reduce import sum as total
from lampion.ops.shape import cat
from lampion.symbolic import numel
from lampion.tensor import Tensor


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """weight[input]: the rows of a table [rows, dim] for int indices of any shape; row `padding_idx` is not learned.

    Rows looked up whose p-norm is above `max_norm` are first shortened to it, in place. `scale_grad_by_freq` divides the
    gradient of a row by how often it is looked up. Gradients are dense, also with `sparse`.
    """
    _shorten(weight, input, max_norm, norm_type)
    out = take_rows(weight, input)
    if not (is_grad_enabled() and weight.requires_grad):
        return out
    if scale_grad_by_freq:
        share = 1 / _counts(input, weight)[input].unsqueeze(-1).to(out.dtype)
        out = out * share + (out * (1 - share)).detach()
    if padding_idx is None:
        return out
    return where((input == padding_idx % weight.shape[0]).unsqueeze(-1), out.detach(), out)


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
    per_sample_weights: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """The sum, mean or largest elements of rows, for every bag of indices: [bags, dim]; an empty bag gives 0.

    Bags are the rows of input [bags, size], or begin at `offsets` in an input of one dim; `include_last_offset` says that
    the last offset is the end. Rows `padding_idx` don't count. `per_sample_weights`, in the shape of input, weigh a sum.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: expected mode 'sum', 'mean' or 'max', got {mode!r}")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"embedding_bag: per_sample_weights go with mode 'sum' only, got {mode!r}")
    if (offsets is None) != (input.ndim == 2):
        raise ValueError(
            f"embedding_bag: expected input [bags, size], or [indices] with offsets, got shape {list(input.shape)}"
        )
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    counted = ones(*input.shape, dtype=dtypes.bool_) if padding_idx is None else input != padding_idx % weight.shape[0]
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    if offsets is None:
        return _pooled(rows, counted, mode)
    return _by_offsets(rows, counted, offsets, mode, include_last_offset)


def _pooled(rows: Tensor, counted: Tensor, mode: str) -> Tensor:
    """[bags, size, dim] over its dim 1."""
    there = counted.unsqueeze(-1)
    if mode == "max":
        some = there.any(1)
        return where(
            some, where(there, rows, where(some.unsqueeze(1), -float("inf"), 0.0).to(rows.dtype)).max(1).values, 0.0
        )
    sums = total(where(there, rows, 0.0), 1)
    return sums if mode == "sum" else sums / clamp(total(there, 1), min=1).to(rows.dtype)


def _by_offsets(rows: Tensor, counted: Tensor, offsets: Tensor, mode: str, include_last: bool) -> Tensor:
    starts = offsets[:-1] if include_last else offsets
    ends = offsets[1:] if include_last else cat([offsets[1:], as_tensor(rows.shape[0], offsets.dtype).reshape(1)])
    place = arange(rows.shape[0])
    inside = (place >= starts.unsqueeze(1)) & (place < ends.unsqueeze(1)) & counted
    if mode == "max":
        return _pooled(rows.unsqueeze(0), inside, mode)
    sums = inside.to(rows.dtype) @ rows
    return sums if mode == "sum" else sums / clamp(total(inside, 1), min=1).to(rows.dtype).unsqueeze(1)


def _counts(input: Tensor, weight: Tensor) -> Tensor:
    """How often every row of the table is looked up."""
    flat = input.reshape(-1)
    count: Tensor = IndexAdd(0, (weight.shape[0],))(ones(numel(flat.shape), dtype=dtypes.int64), flat)
    return count


@no_grad()
def _shorten(weight: Tensor, input: Tensor, max_norm: float | None, norm_type: float) -> None:
    if max_norm is None:
        return
    norms = weight.norm(norm_type, 1, keepdim=True)
    long = (_counts(input, weight).unsqueeze(1) > 0) & (norms > max_norm)
    scale: Any = where(long, max_norm / (norms + 1e-7), 1.0)
    weight.mul_(scale)
