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
