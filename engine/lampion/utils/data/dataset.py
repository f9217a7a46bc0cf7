"""Data sets: what a `DataLoader` reads samples from."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from lampion.ops.random import Generator, default_generator
from lampion.tensor import Tensor
from lampion.utils.data.collate import default_collate


class Dataset:
    """Base: a subclass gives `__getitem__(index)`, a sample, and `__len__`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: expected a method `__getitem__`, found none; define it")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Base of streams: a subclass gives `__iter__`. With worker processes it asks `get_worker_info` for its share."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}: expected a method `__iter__`, found none; define it")


class TensorDataset(Dataset):
    """Samples are the rows of tensors of equal length: a tuple with one row of each."""

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [len(t) for t in tensors]
        if len(set(lengths)) > 1:
            raise ValueError(f"TensorDataset: expected tensors of equal length, got {lengths}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def collated(self, indices: Sequence[int]) -> list[Tensor]:
        """What `default_collate` makes of the samples at `indices`, read at once."""
        return list(self[np.asarray(indices, np.int64)])


class Subset(Dataset):
    """The samples of another data set at the given indices."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def collated(self, indices: Sequence[int]) -> Any:
        """What `default_collate` makes of the samples at `indices`."""
        return collated(self.dataset, [self.indices[i] for i in indices])


def collated(dataset: Any, indices: Sequence[int]) -> Any:
    """What `default_collate` makes of the samples at `indices`, read at once where the data set can."""
    if isinstance(dataset, TensorDataset | Subset):
        return dataset.collated(indices)
    return default_collate([dataset[i] for i in indices])


class ConcatDataset(Dataset):
    """Several data sets one behind the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set, got none")
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: Any) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        index %= len(self)
        which = bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Disjoint subsets of the given lengths, or of the given shares, which sum to 1, drawn at random.

    Raises ValueError where the lengths don't sum to the size of the data set.
    """
    size = len(dataset)
    counts = [int(n) for n in lengths]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1 + 1e-9 and any(n < 1 for n in lengths):
        counts = [math.floor(size * share) for share in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
    if sum(counts) != size:
        raise ValueError(
            f"random_split: expected lengths that sum to {size}, or shares that sum to 1, got {list(lengths)}"
        )
    order = (generator or default_generator).numpy.permutation(size).tolist()
    ends = list(accumulate(counts))
    return [Subset(dataset, order[end - n : end]) for end, n in zip(ends, counts, strict=True)]
