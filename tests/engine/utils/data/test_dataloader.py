"""DataLoader: batches in this process and from real worker processes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
    get_worker_info,
)

WORKERS = pytest.mark.parametrize("workers", [0, 2])


class Squares(Dataset):
    def __init__(self, count: int = 10) -> None:
        self.count = count

    def __getitem__(self, index: int) -> int:
        return index * index

    def __len__(self) -> int:
        return self.count


class Stream(IterableDataset):
    """0 to 9, shared out among the workers."""

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        return iter(range(10) if info is None else range(info.id, 10, info.num_workers))


class Failing(Squares):
    def __getitem__(self, index: int) -> int:
        if index == 5:
            raise ZeroDivisionError("sample five is broken")
        return index


class Dying(Squares):
    def __getitem__(self, index: int) -> int:
        if index == 5:
            os._exit(3)
        return index


class Slow(Squares):
    def __getitem__(self, index: int) -> int:
        time.sleep(60)
        return index


class Unpicklable(Squares):
    def __getitem__(self, index: int) -> Any:
        return lambda: index


class Draws(Squares):
    def __getitem__(self, index: int) -> Any:
        return np.array([np.random.random(), random.random(), lampion.rand(1).item(), get_worker_info().id])  # type: ignore[union-attr]


def lists(loader: DataLoader) -> list[Any]:
    return [batch.tolist() for batch in loader]


@WORKERS
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"batch_size": 4}, [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]]),
        ({"batch_size": 4, "drop_last": True}, [[0, 1, 4, 9], [16, 25, 36, 49]]),
        ({}, [[n * n] for n in range(10)]),
        ({"batch_size": 2, "sampler": [3, 1, 2]}, [[9, 1], [4]]),
        ({"batch_sampler": BatchSampler(SequentialSampler(range(4)), 3)}, [[0, 1, 4], [9]]),
        ({"batch_size": 6, "collate_fn": lampion.tensor}, [[0, 1, 4, 9, 16, 25], [36, 49, 64, 81]]),
    ],
)
def test_batches_come_in_order(workers: int, settings: dict[str, Any], expected: list[Any]) -> None:
    loader = DataLoader(Squares(), num_workers=workers, **settings)
    assert lists(loader) == expected
    assert lists(loader) == expected
    assert len(loader) == len(expected)


@WORKERS
def test_single_samples(workers: int) -> None:
    loader = DataLoader(Squares(3), batch_size=None, num_workers=workers)
    assert list(loader) == [0, 1, 4]
    assert len(loader) == 3


@WORKERS
def test_shuffling_is_seeded(workers: int) -> None:
    def drawn(seed: int) -> list[Any]:
        generator = lampion.Generator().manual_seed(seed)
        loader = DataLoader(Squares(20), 20, shuffle=True, num_workers=workers, generator=generator)
        return [*lists(loader), *lists(loader)]

    first, second = drawn(1)
    assert first != second
    assert sorted(first) == sorted(second) == [n * n for n in range(20)]
    assert drawn(1) == [first, second]
    assert drawn(2)[0] != first


@WORKERS
def test_reads_tensors(workers: int) -> None:
    x, y = lampion.randn(7, 2), lampion.arange(7)
    batches = list(DataLoader(TensorDataset(x, y), 3, num_workers=workers))
    np.testing.assert_array_equal(np.concatenate([a.numpy() for a, _ in batches]), x.numpy())
    assert [b.tolist() for _, b in batches] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(
    ("workers", "settings", "expected"),
    [
        (0, {"batch_size": 4}, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        (0, {"batch_size": 4, "drop_last": True}, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (2, {"batch_size": 3}, [[0, 2, 4], [1, 3, 5], [6, 8], [7, 9]]),
        (3, {"batch_size": 2, "prefetch_factor": 1}, [[0, 3], [1, 4], [2, 5], [6, 9], [7], [8]]),
        (2, {"batch_size": 3, "drop_last": True}, [[0, 2, 4], [1, 3, 5]]),
    ],
)
def test_streams(workers: int, settings: dict[str, Any], expected: list[Any]) -> None:
    assert lists(DataLoader(Stream(), num_workers=workers, **settings)) == expected


def test_stream_of_single_samples() -> None:
    assert list(DataLoader(Stream(), batch_size=None)) == list(range(10))
    assert sorted(DataLoader(Stream(), batch_size=None, num_workers=2)) == list(range(10))


def test_workers_have_seeds_of_their_own() -> None:
    def drawn() -> Any:
        loader = DataLoader(Draws(8), 1, num_workers=2, generator=lampion.Generator().manual_seed(3))
        return np.concatenate([b.numpy() for b in loader])

    first = drawn()
    np.testing.assert_array_equal(drawn(), first)
    assert first[:, 3].tolist() == [0, 1] * 4
    for column in range(3):
        assert len(np.unique(first[:, column])) == 8


def test_worker_init_fn_runs_in_the_worker(tmp_path: Any) -> None:
    loader = DataLoader(
        Squares(4), num_workers=2, worker_init_fn=lambda i: (tmp_path / str(i)).write_text(str(os.getpid()))
    )
    assert len(list(loader)) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1"]
    assert str(os.getpid()) not in [p.read_text() for p in tmp_path.iterdir()]
    assert get_worker_info() is None


def test_a_workers_exception_comes_with_its_traceback() -> None:
    loader = DataLoader(Failing(), 2, num_workers=2)
    with pytest.raises(RuntimeError, match="ZeroDivisionError in worker 0") as caught:
        list(loader)
    assert "sample five is broken" in str(caught.value)
    assert "in __getitem__" in str(caught.value)
    with pytest.raises(ZeroDivisionError):
        list(DataLoader(Failing(), 2))


def test_a_dead_worker_is_told() -> None:
    with pytest.raises(RuntimeError, match="worker 0 died with exit code 3"):
        list(DataLoader(Dying(), 2, num_workers=1))


def test_a_worker_that_never_answers_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"worker 0 gave no batch within 0\.2 seconds"):
        list(DataLoader(Slow(), num_workers=1, timeout=0.2))


def test_what_cannot_cross_the_process_boundary_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"in worker 0:(?s:.*)pickle"):
        list(DataLoader(Unpicklable(), num_workers=1, batch_size=None))


def test_workers_started_afresh() -> None:
    loader = DataLoader(TensorDataset(lampion.arange(5)), 2, num_workers=2, multiprocessing_context="spawn")
    assert [b.tolist() for (b,) in loader] == [[0, 1], [2, 3], [4]]


def test_large_batches_are_read_ahead() -> None:
    x = lampion.randn(40, 50_000)
    batches = list(DataLoader(TensorDataset(x), 10, num_workers=2, prefetch_factor=4))
    np.testing.assert_array_equal(np.concatenate([b.numpy() for (b,) in batches]), x.numpy())


def test_leaving_early_ends_the_workers() -> None:
    import multiprocessing

    before = set(multiprocessing.active_children())
    batches = iter(DataLoader(Squares(100), num_workers=2))
    next(batches)
    assert len(set(multiprocessing.active_children()) - before) == 2
    batches.close()  # type: ignore[attr-defined]
    assert set(multiprocessing.active_children()) <= before


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: DataLoader(Squares(), shuffle=True, sampler=[1]), "sampler and shuffle exclude each other"),
    (lambda: DataLoader(Squares(), 2, batch_sampler=[[1]]), "batch_sampler takes the place of batch_size"),
    (lambda: DataLoader(Squares(), None, drop_last=True), "drop_last needs batches"),
    (lambda: DataLoader(Stream(), shuffle=True), "an IterableDataset has its own order"),
    (lambda: DataLoader(Squares(), num_workers=-1), "num_workers and timeout of at least 0"),
    (lambda: DataLoader(Squares(), prefetch_factor=2), "prefetch_factor needs num_workers above 0"),
    (lambda: DataLoader(Squares(), 0), "batch_size to be an int of at least 1, got 0"),
]


@pytest.mark.parametrize(("use", "message"), WRONG, ids=[m for _, m in WRONG])
def test_message(use: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        use()
