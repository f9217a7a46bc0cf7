"""What ends a block from outside, beside asyncio's own timeout."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from lampion_server.ending import Ending, Within, sweep, unless_done


class LateError(Exception):
    pass


def test_in_time() -> None:
    async def scene() -> str:
        with Within(30, LateError):
            await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return "done"

    assert asyncio.run(scene()) == "done"


def test_late() -> None:
    async def scene() -> None:
        with pytest.raises(LateError), Within(0.01, LateError):
            await asyncio.sleep(30)
        await asyncio.sleep(0)  # the cancellation was taken back

    asyncio.run(scene())


def test_the_inner_one_ends_first_and_the_outer_one_still_can() -> None:
    async def scene() -> None:
        async def work() -> None:
            with Ending() as outer:
                with suppress(LateError), Within(0.01, LateError):
                    await asyncio.sleep(30)
                asyncio.get_running_loop().call_soon(outer.end, KeyError())
                await asyncio.sleep(30)

        with pytest.raises(KeyError):
            await work()

    asyncio.run(scene())


def test_an_error_of_the_block_is_its_own() -> None:
    async def scene() -> None:
        with pytest.raises(ValueError, match="own"), Within(30, LateError):
            raise ValueError("own")

    asyncio.run(scene())


def test_who_cancels_the_task_ends_it_and_not_only_the_block() -> None:
    async def scene() -> None:
        async def work() -> None:
            with Ending() as ending:
                asyncio.get_running_loop().call_soon(ending.end, LateError())
                await asyncio.sleep(30)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_what_is_done_at_once_needs_no_ending() -> None:
    async def work() -> str:
        return "done"

    def ending() -> Ending:
        raise AssertionError("nobody waits")

    async def scene() -> str:
        return await unless_done(work(), ending)

    assert asyncio.run(scene()) == "done"


def test_what_waits_is_ended() -> None:
    async def scene() -> list[str]:
        seen = []

        async def work() -> str:
            try:
                await asyncio.sleep(0)
                await asyncio.sleep(0.001)
                seen.append("waited")
                await asyncio.sleep(30)
            finally:
                seen.append("cleared")
            return "never"

        with pytest.raises(LateError):
            await unless_done(work(), lambda: Within(0.05, LateError))
        await asyncio.sleep(0)  # the cancellation was taken back
        return seen

    assert asyncio.run(scene()) == ["waited", "cleared"]


def test_what_waits_gives_its_result_or_its_error() -> None:
    async def work(value: str) -> str:
        await asyncio.sleep(0)
        if not value:
            raise KeyError(value)
        return value

    async def scene() -> str:
        with pytest.raises(KeyError):
            await unless_done(work(""), lambda: Within(30, LateError))
        return await unless_done(work("done"), lambda: Within(30, LateError))

    assert asyncio.run(scene()) == "done"


def test_who_stays_is_called_once() -> None:
    async def scene() -> list[str]:
        called: list[str] = []
        stays, leaves = (lambda: called.append("stays")), (lambda: called.append("leaves"))
        for _ in range(2):  # the second time after the timer has come to rest
            sweep().add(stays)
            sweep().add(leaves)
            sweep().discard(leaves)
            await asyncio.sleep(0.05)
        return called

    assert asyncio.run(scene()) == ["stays", "stays"]
    assert asyncio.run(scene()) == ["stays", "stays"]  # in another loop too
