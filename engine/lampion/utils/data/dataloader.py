"""`DataLoader`: batches of a data set, in this process or from workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from lampion.ops.random import Generator, default_generator
from lampion.utils.data.collate import default_collate
from lampion.utils.data.dataset import IterableDataset
from lampion.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from lampion.utils.data.worker import END, Failure, Fetcher, WorkerInfo, work


class DataLoader:
    """Iterates over batches of `dataset`: `batch_size` samples put together by `collate_fn`.

    `shuffle` draws a new order every time, from `generator`; a `sampler` or `batch_sampler` of one's own takes the place of
    both. `batch_size=None` gives single samples. With `num_workers` processes, each reading `prefetch_factor` batches
    ahead, the order stays the same; a worker's exception is raised here with its traceback. Raises ValueError for settings
    that exclude each other, RuntimeError where a worker failed or died.
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None, sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None, num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None, drop_last: bool = False, timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None, multiprocessing_context: Any = None,
        generator: Generator | None = None, *, prefetch_factor: int | None = None,
    ) -> None:  # fmt: skip
        streams = isinstance(dataset, IterableDataset)
        _check(streams, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if num_workers < 0 or timeout < 0:
            raise ValueError(
                f"DataLoader: expected num_workers and timeout of at least 0, got {num_workers} and {timeout}"
            )
        if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
            raise ValueError("DataLoader: prefetch_factor needs num_workers above 0, and is at least 1")
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.worker_init_fn, self.multiprocessing_context = worker_init_fn, multiprocessing_context
        self.generator, self.prefetch_factor = generator, prefetch_factor or 2
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        self.batched = batch_size is not None or batch_sampler is not None
        if sampler is None:
            sampler = repeat(0) if streams else _sampler(dataset, shuffle, generator)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_collate if self.batched else _as_it_is)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            samples = len(self.dataset)  # type: ignore[arg-type]
            return (
                samples
                if self.batch_size is None
                else len(BatchSampler(range(samples), self.batch_size, self.drop_last))
            )
        return len(self._order())  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        make = partial(Fetcher, collate=self.collate_fn, batched=self.batched, drop_last=self.drop_last)
        if self.num_workers:
            return self._from_workers(make)
        return self._from_here(make(self.dataset))

    def _order(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _from_here(self, fetch: Fetcher) -> Iterator[Any]:
        for indices in self._order():
            batch = fetch(indices)
            if isinstance(batch, str) and batch == END:
                return
            yield batch

    def _from_workers(self, make: Callable[[Any], Fetcher]) -> Iterator[Any]:
        pool = _Pool(self, make)
        try:
            yield from pool.batches(iter(self._order()))
        finally:
            pool.close()


class _Pool:
    """The worker processes of one pass over the data, each at the other end of a pipe, answering in order."""

    def __init__(self, loader: DataLoader, make: Callable[[Any], Fetcher]) -> None:
        import multiprocessing

        given = loader.multiprocessing_context
        context: Any = multiprocessing.get_context(given) if given is None or isinstance(given, str) else given
        count = loader.num_workers
        self.timeout, self.ahead = loader.timeout, count * loader.prefetch_factor
        seed = int((loader.generator or default_generator).numpy.integers(0, 2**62))
        self.ends: list[Any] = []
        self.workers: list[Any] = []
        for i in range(count):
            ours, theirs = context.Pipe()
            info = WorkerInfo(i, count, seed + i, loader.dataset)
            arguments = (info, make, loader.worker_init_fn, theirs, ours)
            worker = context.Process(target=work, args=arguments, daemon=True)
            worker.start()
            theirs.close()  # the worker's alone now: if it dies, reading tells
            self.ends.append(ours)
            self.workers.append(worker)

    def batches(self, order: Iterator[Any]) -> Iterator[Any]:
        """The batches in order; workers take turns, and one whose stream has ended gets no more."""
        turns, owed = deque(range(len(self.workers))), deque[int]()
        while True:
            while turns and len(owed) < self.ahead:
                indices = next(order, END)
                if isinstance(indices, str) and indices == END:
                    break
                self._ask(turns[0], indices)
                owed.append(turns[0])
                turns.rotate(-1)
            if not owed:
                return
            worker = owed.popleft()
            batch = self._answer(worker)
            if isinstance(batch, Failure):
                raise RuntimeError(f"DataLoader: {batch.kind} in worker {worker}:\n{batch.text}")
            if not (isinstance(batch, str) and batch == END):
                yield batch
            elif worker in turns:
                turns.remove(worker)

    def _ask(self, worker: int, indices: Any) -> None:
        try:
            self.ends[worker].send(indices)
        except OSError:
            raise self._dead(worker) from None

    def _answer(self, worker: int) -> Any:
        try:
            if self.ends[worker].poll(self.timeout or None):
                return self.ends[worker].recv()
        except (EOFError, OSError):
            raise self._dead(worker) from None
        raise RuntimeError(f"DataLoader: worker {worker} gave no batch within {self.timeout} seconds; raise timeout")

    def _dead(self, worker: int) -> RuntimeError:
        self.workers[worker].join()
        return RuntimeError(
            f"DataLoader: worker {worker} died with exit code {self.workers[worker].exitcode}; num_workers=0 shows where"
        )

    def close(self) -> None:
        """Ends the workers."""
        for worker, end in zip(self.workers, self.ends, strict=True):
            worker.terminate()
            end.close()
        for worker in self.workers:
            worker.join()


def _check(
    streams: bool, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if streams and (shuffle or sampler is not None or batch_sampler is not None):
        raise ValueError("DataLoader: an IterableDataset has its own order; leave shuffle, sampler, batch_sampler out")
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: sampler and shuffle exclude each other; leave one out")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("DataLoader: batch_sampler takes the place of batch_size, shuffle, sampler and drop_last")
    if batch_size is None and drop_last:
        raise ValueError("DataLoader: drop_last needs batches; set batch_size")


def _sampler(dataset: Any, shuffle: bool | None, generator: Generator | None) -> Iterable[Any]:
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


def _as_it_is(sample: Any) -> Any:
    return sample
