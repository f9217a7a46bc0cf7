"""Who asks what somebody else is just asking: one computes, and each has its own deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from lampion_server.cache import ResponseCache
from lampion_server.errors import DeadlineExceededError, OverloadedError
from lampion_server.tickets import Answer

KEY = b"question"


class Computing:
    """Counts how often it is asked; answers when it is told to, or fails."""

    def __init__(self, *errors: Exception) -> None:
        self.asked, self.errors, self.go = 0, list(errors), asyncio.Event()

    async def __call__(self) -> Answer:
        self.asked += 1
        await self.go.wait()
        if self.errors:
            raise self.errors.pop(0)
        return Answer({"y": np.ones(3)}, 0.0, 0.001, 1)


def asking(cache: ResponseCache, compute: Computing, left: float = 30, priority: int = 0) -> asyncio.Task[Answer]:
    return asyncio.create_task(cache.answer(KEY, compute, time.monotonic() + left, priority))


def play(scene: Callable[[ResponseCache], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(ResponseCache(1000)), 30))


async def begun(compute: Computing, times: int = 1) -> None:
    while compute.asked < times:
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)


def test_one_computes_for_all() -> None:
    async def scene(cache: ResponseCache) -> None:
        compute = Computing()
        asked = [asking(cache, compute) for _ in range(3)]
        await begun(compute)
        compute.go.set()
        answers = [*await asyncio.gather(*asked), await asking(cache, compute)]
        assert [answer.outputs["y"].tolist() for answer in answers] == [[1, 1, 1]] * 4
        assert (compute.asked, [answer.rows for answer in answers]) == (1, [1, 0, 0, 0])

    play(scene)


def test_the_first_who_leaves_leaves_the_others_their_answer() -> None:
    async def scene(cache: ResponseCache) -> None:
        compute = Computing()
        first, *others = [asking(cache, compute) for _ in range(3)]
        await begun(compute)
        first.cancel()
        await begun(compute, 2)
        compute.go.set()
        assert [answer.rows for answer in await asyncio.gather(*others)] == [1, 0]
        assert (compute.asked, first.cancelled()) == (2, True)

    play(scene)


def test_who_waits_keeps_its_deadline_and_leaves_alone() -> None:
    async def scene(cache: ResponseCache) -> None:
        compute = Computing()
        first, late, gone = asking(cache, compute), asking(cache, compute, left=0.02), asking(cache, compute)
        await begun(compute)
        gone.cancel()
        with pytest.raises(DeadlineExceededError, match=r"within 0\.0"):
            await late
        compute.go.set()
        assert ((await first).rows, compute.asked) == (1, 1)

    play(scene)


@pytest.mark.parametrize("own", [DeadlineExceededError("too late"), OverloadedError("full", retry_after=1)])
def test_what_concerns_the_first_alone_isnt_told_to_others(own: Exception) -> None:
    async def scene(cache: ResponseCache) -> None:
        compute = Computing(own)
        first, other = asking(cache, compute), asking(cache, compute)
        await begun(compute)
        compute.go.set()
        with pytest.raises(type(own)):
            await first
        assert ((await other).rows, compute.asked) == (1, 2)

    play(scene)


def test_a_failure_is_told_to_all_and_not_remembered() -> None:
    async def scene(cache: ResponseCache) -> None:
        compute = Computing(ValueError("broken"))
        asked = [asking(cache, compute) for _ in range(2)]
        await begun(compute)
        compute.go.set()
        assert [str(error) for error in await asyncio.gather(*asked, return_exceptions=True)] == ["broken"] * 2
        assert ((await asking(cache, compute)).rows, compute.asked) == (1, 2)

    play(scene)


def test_the_urgent_dont_wait_for_who_is_less_so() -> None:
    async def scene(cache: ResponseCache) -> None:
        low, high = Computing(), Computing()
        slow = asking(cache, low, priority=1)
        await begun(low)
        urgent, joined = asking(cache, high, priority=0), asking(cache, high, priority=1)
        await begun(high)
        high.go.set()
        assert [answer.rows for answer in await asyncio.gather(urgent, joined)] == [1, 0]
        low.go.set()
        assert ((await slow).rows, low.asked, high.asked) == (1, 1, 1)

    play(scene)
