"""A scheduler whose worker is held by a gate, not by time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from lampion_server.scheduler import Scheduler
from lampion_server.tickets import Answer


class Gate:
    """Doubles `x`; each run first waits to be let through. Remembers the values of every batch."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.batches: list[list[float]] = []

    def __call__(self, inputs: Any, outputs: Any) -> Any:
        values = inputs["x"].ravel().tolist()
        self.batches.append(values)
        self.entered.release()
        assert self.let.acquire(timeout=30)
        if -1 in values:
            raise ValueError("minus one")
        return {"y": inputs["x"] * 2}

    def open(self) -> None:
        self.let.release(1000)


def row(*values: float, width: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.repeat(np.array(values, np.float32)[:, None], width, axis=1)}


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[Scheduler, Gate]]:
    """A scheduler whose only worker is already held inside a first batch of [0]."""
    gate = Gate()
    scheduler = Scheduler(gate, **options)
    first = asyncio.create_task(scheduler.submit(row(0)))
    await asyncio.to_thread(gate.entered.acquire)
    try:
        yield scheduler, gate
    finally:
        gate.open()
        await asyncio.to_thread(scheduler.close)
        await first


async def queued(scheduler: Scheduler, *inputs: Any, **options: Any) -> list[asyncio.Task[Answer]]:
    """Requests that wait in the queue by now."""
    tasks = [asyncio.create_task(scheduler.submit(arrays, **options)) for arrays in inputs]
    await asyncio.sleep(0)
    return tasks


def play(scene: Callable[[], Any]) -> None:
    asyncio.run(scene())
