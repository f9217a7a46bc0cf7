"""A scheduler that has the event loop compute, without threads of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from server.scheduling import play, queued, row

from lampion_server.errors import DeadlineExceededError, UnavailableError
from lampion_server.scheduler import Scheduler
from lampion_server.tickets import Answer


def doubled(batches: list[list[float]], scheduler_thread: list[int]) -> Callable[[Any, Any], Any]:
    def run(inputs: Any, outputs: Any) -> Any:
        batches.append(inputs["x"].ravel().tolist())
        scheduler_thread.append(threading.get_ident())
        if -1 in batches[-1]:
            raise ValueError("minus one")
        return {"y": inputs["x"] * 2}

    return run


def test_inline_what_arrives_in_one_turn_is_computed_together_in_the_same_thread() -> None:
    batches: list[list[float]] = []
    threads: list[int] = []

    async def scene() -> None:
        scheduler = Scheduler(doubled(batches, threads), inline=True, max_batch=3)
        answers = await asyncio.gather(*(scheduler.submit(row(number)) for number in range(1, 5)))
        assert [answer.outputs["y"].item() for answer in answers] == [2, 4, 6, 8]
        results = await asyncio.gather(*(scheduler.submit(row(n)) for n in (5, -1, 6)), return_exceptions=True)
        assert [type(result) for result in results] == [Answer, ValueError, Answer]
        with pytest.raises(DeadlineExceededError):
            await scheduler.submit(row(7), deadline=time.monotonic() - 1)
        await asyncio.to_thread(scheduler.close)
        with pytest.raises(UnavailableError):
            await scheduler.submit(row(8))

    play(scene)
    assert batches == [[1, 2, 3], [4], [5, -1, 6], [5], [-1], [6]]
    assert set(threads) == {threading.get_ident()}


def test_inline_a_full_queue_is_computed_at_once() -> None:
    batches: list[list[float]] = []

    async def scene() -> None:
        scheduler = Scheduler(doubled(batches, []), inline=True, max_batch=3, max_queue=4)
        answers = await asyncio.gather(*(scheduler.submit(row(number)) for number in range(9)))
        assert [answer.outputs["y"].item() for answer in answers] == [2.0 * number for number in range(9)]

    play(scene)
    assert batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_inline_who_leaves_is_not_computed_and_who_waits_at_the_end_is() -> None:
    batches: list[list[float]] = []

    async def scene() -> None:
        scheduler = Scheduler(doubled(batches, []), inline=True)
        gone, waiting = (asyncio.create_task(scheduler.submit(row(number))) for number in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        scheduler.close()
        assert (await waiting).outputs["y"].item() == 4
        assert scheduler.waiting == 0

    play(scene)
    assert batches == [[2]]


def test_inline_for_callers_of_several_loops() -> None:
    batches: list[list[float]] = []
    scheduler = Scheduler(doubled(batches, []), inline=True)

    async def ask(first: int) -> list[float]:
        answers = [await scheduler.submit(row(first + number)) for number in range(200)]
        return [answer.outputs["y"].item() for answer in answers]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda first: asyncio.run(ask(first)), range(0, 4000, 1000)))
    assert results == [[2.0 * (first + number) for number in range(200)] for first in range(0, 4000, 1000)]


def test_inline_what_takes_long_gets_threads() -> None:
    threads: list[str] = []

    def run(inputs: Any, outputs: Any) -> Any:
        threads.append(threading.current_thread().name)
        end = time.thread_time() + inputs["x"].max() / 1000
        while time.thread_time() < end:
            pass
        return {"y": inputs["x"]}

    async def scene() -> None:
        scheduler = Scheduler(run, name="m", inline=True, max_batch=2)
        await asyncio.gather(*(scheduler.submit(row(milliseconds)) for milliseconds in (0, 50, 50, 0, 0)))
        await scheduler.submit(row(0))
        await asyncio.to_thread(scheduler.close)

    play(scene)
    assert set(threads[:2]) == {threading.current_thread().name}  # once can be the machine's fault
    assert set(threads[2:]) == {"lampion-m-0"}


def test_an_event_loop_shares_with_nobody() -> None:
    """It took a half of what waits, as if a second instance took the other."""

    async def scene() -> None:
        batches: list[int] = []

        def run(inputs: Any, outputs: Any) -> Any:
            batches.append(len(inputs["x"]))
            return inputs

        scheduler = Scheduler(run, instances=2, inline=True)
        await asyncio.gather(*await queued(scheduler, *(row(value) for value in range(6))))
        await asyncio.to_thread(scheduler.close)
        assert batches == [6]

    play(scene)
