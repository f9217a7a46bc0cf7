"""Samples to batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import lampion
from lampion import dtypes
from lampion.utils.data import DataLoader, default_collate, pad_collate


class Pair(NamedTuple):
    a: int
    b: str


@pytest.mark.parametrize(
    ("batch", "expected", "dtype"),
    [
        ([lampion.tensor([1.0, 2.0]), lampion.tensor([3.0, 4.0])], [[1, 2], [3, 4]], dtypes.float32),
        ([np.array([1], np.uint8), np.array([2], np.uint8)], [[1], [2]], dtypes.uint8),
        ([np.float32(1), np.float32(2)], [1, 2], dtypes.float32),
        ([1, 2], [1, 2], dtypes.int64),
        ([1.5, 2.0], [1.5, 2.0], dtypes.float64),
        ([True, False], [True, False], dtypes.bool_),
    ],
)
def test_stacks(batch: list[Any], expected: list[Any], dtype: Any) -> None:
    out = default_collate(batch)
    assert (out.tolist(), out.dtype) == (expected, dtype)


def test_goes_into_structures() -> None:
    assert default_collate(["a", "b"]) == ["a", "b"]
    x, names = default_collate([(1, "a"), (2, "b")])
    assert (x.tolist(), names) == ([1, 2], ["a", "b"])
    out = default_collate([{"x": 1, "y": [2, 3]}, {"x": 4, "y": [5, 6]}])
    assert (out["x"].tolist(), [t.tolist() for t in out["y"]]) == ([1, 4], [[2, 5], [3, 6]])
    pair = default_collate([Pair(1, "a"), Pair(2, "b")])
    assert isinstance(pair, Pair)
    assert (pair.a.tolist(), pair.b) == ([1, 2], ["a", "b"])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("batch", "kind", "message"),
    [
        ([lampion.zeros(2), lampion.zeros(3)], RuntimeError, r"equal shape, got \[\[2\], \[3\]\]; pad them"),
        ([(1, 2), (1,)], RuntimeError, "samples of equal length"),
        ([object(), object()], TypeError, "got object; pass a collate_fn"),
    ],
)
def test_message(batch: list[Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        default_collate(batch)


def test_ragged_sequences_are_padded_behind() -> None:
    samples = [(lampion.arange(n), np.full((n, 2), n, np.float32), n % 2) for n in (3, 1, 2)]
    letters, features, classes, lengths = pad_collate(samples, padding_value=(-100, 0.5, 0))
    assert letters.tolist() == [[0, 1, 2], [0, -100, -100], [0, 1, -100]]
    assert features[1].tolist() == [[1, 1], [0.5, 0.5], [0.5, 0.5]]
    assert (features.shape, features.dtype) == ((3, 3, 2), lampion.float32)
    assert (classes.tolist(), lengths.tolist()) == ([1, 1, 0], [3, 1, 2])


def test_ragged_sequences_come_from_a_loader() -> None:
    words = [lampion.ones(n) for n in (2, 4, 1)]
    batches = [[t.tolist() for t in batch] for batch in DataLoader(words, 2, collate_fn=pad_collate)]
    assert batches == [[[[1, 1, 0, 0], [1, 1, 1, 1]], [2, 4]], [[[1]], [1]]]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 4))], r"in their first dim alone, got \[\(2, 3\), \(2, 4\)\]"),
        ([(np.ones(2), 1), (np.ones(2),)], "equally many columns"),
    ],
)
def test_what_is_not_ragged_in_one_dim_is_told(samples: list[Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        pad_collate(samples)
