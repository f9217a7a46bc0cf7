"""Data sets and samplers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.utils import data

NUMBERS = data.TensorDataset(lampion.arange(10), lampion.arange(10) * 10)


def test_tensor_dataset() -> None:
    assert len(NUMBERS) == 10
    assert [t.item() for t in NUMBERS[3]] == [3, 30]
    assert [t.tolist() for t in NUMBERS.collated([1, 2])] == [[1, 2], [10, 20]]


def test_subset_and_concat() -> None:
    subset = data.Subset(NUMBERS, [5, 7])
    assert [x.item() for x, _ in (subset[0], subset[1])] == [5, 7]
    assert subset.collated([1])[0].tolist() == [7]
    both = data.ConcatDataset([subset, NUMBERS])
    assert len(both) == 12
    assert [both[i][0].item() for i in (0, 1, 2, -1)] == [5, 7, 0, 9]
    assert len(NUMBERS + subset) == 12
    with pytest.raises(IndexError, match="index 12 is out of range for 12 samples"):
        both[12]


@pytest.mark.parametrize(
    ("lengths", "sizes"), [([7, 3], [7, 3]), ([0.7, 0.3], [7, 3]), ([0.33, 0.33, 0.34], [4, 3, 3])]
)
def test_random_split(lengths: list[float], sizes: list[int]) -> None:
    parts = data.random_split(NUMBERS, lengths, lampion.Generator().manual_seed(1))
    assert [len(p) for p in parts] == sizes
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    again = data.random_split(NUMBERS, lengths, lampion.Generator().manual_seed(1))
    assert [p.indices for p in parts] == [p.indices for p in again]


def test_samplers() -> None:
    lampion.manual_seed(0)
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    drawn = list(data.RandomSampler(range(50)))
    assert sorted(drawn) == list(range(50))
    assert drawn != list(range(50))
    assert list(data.RandomSampler(range(50))) != drawn
    lampion.manual_seed(0)
    assert list(data.RandomSampler(range(50))) == drawn
    assert len(list(data.RandomSampler(range(3), num_samples=7))) == 7
    with_replacement = data.RandomSampler(range(3), replacement=True, num_samples=100)
    assert (len(with_replacement), set(with_replacement)) == (100, {0, 1, 2})
    subset = data.SubsetRandomSampler([4, 5, 6])
    assert (len(subset), set(subset)) == (3, {4, 5, 6})
    weighted = data.WeightedRandomSampler([0, 1, 3], 4000)
    counts = np.bincount(list(weighted), minlength=3)
    assert counts[0] == 0
    assert counts[2] / counts[1] == pytest.approx(3, rel=0.2)
    assert sorted(data.WeightedRandomSampler([1, 1, 1], 3, replacement=False)) == [0, 1, 2]


@pytest.mark.parametrize(("drop_last", "batches"), [(False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])])
def test_batch_sampler(drop_last: bool, batches: list[list[int]]) -> None:
    sampler = data.BatchSampler(data.SequentialSampler(range(5)), 2, drop_last)
    assert list(sampler) == batches
    assert len(sampler) == len(batches)


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: data.TensorDataset(lampion.zeros(2), lampion.zeros(3)), ValueError, r"equal length, got \[2, 3\]"),
    (lambda: data.ConcatDataset([]), ValueError, "at least one data set"),
    (lambda: data.random_split(NUMBERS, [3, 3]), ValueError, "lengths that sum to 10, or shares that sum to 1"),
    (lambda: data.BatchSampler([1], 0), ValueError, "batch_size to be an int of at least 1, got 0"),
    (lambda: data.WeightedRandomSampler([-1.0], 1), ValueError, "weights of at least 0"),
    (lambda: data.Dataset()[0], NotImplementedError, "Dataset: expected a method `__getitem__`"),
    (lambda: iter(data.IterableDataset()), NotImplementedError, "expected a method `__iter__`"),
    (lambda: iter(data.Sampler()), NotImplementedError, "Sampler: expected a method `__iter__`"),
    (lambda: len(data.Sampler()), TypeError, "Sampler has no length"),
]


@pytest.mark.parametrize(("use", "kind", "message"), WRONG, ids=[m for _, _, m in WRONG])
def test_message(use: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        use()
