"""Samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lampion.ops.create import new, tensor
from lampion.tensor import Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch from a list of samples: Tensors and arrays are stacked, numbers become a Tensor, texts a list.

    Tuples, lists and dicts of these are collated place by place. Raises RuntimeError naming the shapes of tensors that
    don't stack, TypeError for other kinds of samples.
    """
    first = batch[0]
    if isinstance(first, Tensor | np.ndarray):
        return _stacked([t.detach().numpy() if isinstance(t, Tensor) else t for t in batch])
    if isinstance(first, np.generic):
        return new(np.array(batch), False)
    if isinstance(first, float):
        return tensor(list(batch), dtype=np.float64)
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        return _by_place(first, batch)
    raise TypeError(
        f"default_collate: expected samples of Tensors, arrays, numbers, texts, lists or dicts, got {type(first).__name__}; "
        "pass a collate_fn"
    )


def _stacked(arrays: list[np.ndarray[Any, Any]]) -> Tensor:
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        raise RuntimeError(
            f"default_collate: expected tensors of equal shape, got {sorted(map(list, shapes))}; pad them in a collate_fn"
        )
    return new(np.stack(arrays), False)


def _by_place(first: Sequence[Any], batch: Sequence[Any]) -> Any:
    if len({len(sample) for sample in batch}) > 1:
        raise RuntimeError("default_collate: expected samples of equal length; pad them in a collate_fn")
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*columns)
    return columns


def pad_collate(batch: Sequence[Any], padding_value: float | Sequence[float] = 0) -> list[Any]:
    """One batch from tuples whose sequences differ in length: the columns, then the lengths of the first, int64 [n].

    Tensors and arrays [time, ...] are padded behind with `padding_value`, one for all or one a column, to [n, longest, ...];
    all else is left to `default_collate`. A sample that is no tuple counts as one of one column. Raises RuntimeError where
    sequences differ in more than their length. With DataLoader(data, 8, collate_fn=pad_collate) a batch of (letters, word's
    class) is [letters [8, longest], classes [8], lengths [8]].
    """
    samples = [sample if isinstance(sample, tuple | list) else (sample,) for sample in batch]
    if len({len(sample) for sample in samples}) > 1:
        raise RuntimeError("pad_collate: expected samples of equally many columns")
    columns = list(zip(*samples, strict=True))
    fill = [padding_value] * len(columns) if isinstance(padding_value, int | float) else padding_value
    padded = [_padded(column, value) for column, value in zip(columns, fill, strict=True)]
    return [*padded, tensor([len(sequence) for sequence in columns[0]])]


def _padded(column: Sequence[Any], value: float) -> Any:
    if not isinstance(column[0], Tensor | np.ndarray) or not column[0].ndim:
        return default_collate(column)
    arrays = [t.detach().numpy() if isinstance(t, Tensor) else t for t in column]
    if len({a.shape[1:] for a in arrays}) > 1:
        raise RuntimeError(
            f"pad_collate: expected sequences that differ in their first dim alone, got {sorted({a.shape for a in arrays})}"
        )
    result = np.full((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]), value, arrays[0].dtype)
    for row, array in zip(result, arrays, strict=True):
        row[: len(array)] = array
    return new(result, False)
