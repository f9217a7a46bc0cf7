"""What runs in the worker processes of a `DataLoader`."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from lampion.ops.random import manual_seed
from lampion.utils.data.collate import default_collate
from lampion.utils.data.dataset import IterableDataset, collated


@dataclass(frozen=True)
class WorkerInfo:
    """Which of how many workers this process is, its seed and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


@dataclass(frozen=True)
class Failure:
    """An exception in a worker: its name and traceback as text."""

    kind: str
    text: str


END = "no more batches"  # compared by value: it crosses a process boundary
_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process what it is, None elsewhere."""
    return _info


class Fetcher:
    """Samples of a batch, collated. A stream gives END once it runs out."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any], batched: bool, drop_last: bool) -> None:
        self.dataset, self.collate, self.batched, self.drop_last = dataset, collate, batched, drop_last
        self.stream: Iterator[Any] | None = iter(dataset) if isinstance(dataset, IterableDataset) else None

    def __call__(self, indices: Any) -> Any:
        if self.stream is None:
            if self.batched and self.collate is default_collate:
                return collated(self.dataset, indices)
            return self.collate([self.dataset[i] for i in indices] if self.batched else self.dataset[indices])
        if not self.batched:
            sample: Any = next(self.stream, END)
            return sample if isinstance(sample, str) and sample == END else self.collate(sample)
        samples = [s for _, s in zip(indices, self.stream, strict=False)]
        return END if not samples or (self.drop_last and len(samples) < len(indices)) else self.collate(samples)


def work(
    info: WorkerInfo, make: Callable[[Any], Fetcher], init: Callable[[int], Any] | None, end: Any, other: Any
) -> None:
    """Answers every list of indices from the pipe `end` by its batch or a Failure, in order, until `other` is closed."""
    from multiprocessing.reduction import ForkingPickler

    global _info
    other.close()  # ours is a copy, which would keep the pipe open when the parent is gone
    _info = info
    random.seed(info.seed)
    np.random.seed(info.seed & 0xFFFFFFFF)
    manual_seed(info.seed)
    ready: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_send, args=(end, ready), daemon=True).start()
    fetch: Fetcher | None = None
    while True:
        try:
            indices = end.recv()
        except EOFError:
            return
        try:
            if fetch is None:
                if init is not None:
                    init(info.id)
                fetch = make(info.dataset)
            ready.put(ForkingPickler.dumps(fetch(indices)))
        except Exception as error:
            ready.put(ForkingPickler.dumps(Failure(type(error).__name__, traceback.format_exc())))


def _send(end: Any, ready: SimpleQueue[Any]) -> None:
    """Sends what is ready, so that the next batch is read while nobody fetches this one."""
    try:
        while True:
            end.send_bytes(ready.get())
    except OSError:
        return  # the parent has gone
