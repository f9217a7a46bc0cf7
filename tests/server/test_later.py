"""Inputs that are made later: by the worker that computes, for whoever still waits."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from server.scheduling import play, queued, row, running

from lampion_server.later import Later
from lampion_server.scheduler import Scheduler


@pytest.mark.parametrize(
    ("options", "prepares"),
    [
        ({"max_batch": 1}, True),
        ({"batching": False, "instances": 2}, True),
        ({"max_batch": 2}, True),
        ({"max_batch": 3}, False),
        ({"max_batch": 1, "threads": 2}, False),  # the other core would have nothing to do meanwhile
        ({"max_batch": 1, "inline": True}, False),
    ],
)
def test_who_makes_inputs(options: Any, prepares: bool) -> None:
    scheduler = Scheduler(lambda inputs, outputs: inputs, **options)
    assert scheduler.prepares is prepares
    scheduler.close()


def test_the_worker_makes_them_once() -> None:
    made: list[str] = []

    def prepare() -> Any:
        made.append(threading.current_thread().name)
        return row(3)

    scheduler, later = (
        Scheduler(lambda inputs, outputs: {"y": inputs["x"] * 2}, name="twice", max_batch=1),
        Later(prepare),
    )
    answers = [asyncio.run(scheduler.submit(later)) for _ in range(2)]
    scheduler.close()
    assert made == ["lampion-twice-0"]
    assert [answer.outputs["y"].tolist() for answer in answers] == [[[6]]] * 2
    assert answers[0].decode == later.seconds > 0


def test_a_caller_who_left_is_not_decoded_for() -> None:
    async def check() -> None:
        async with running(max_batch=1) as (scheduler, gate):
            gone = asyncio.create_task(scheduler.submit(Later(lambda: pytest.fail("made for nobody"))))
            await asyncio.sleep(0)
            gone.cancel()
            stays = asyncio.create_task(scheduler.submit(Later(lambda: row(1))))
            gate.open()
            assert (await stays).outputs["y"].tolist() == [[2]]
        assert gate.batches == [[0], [1]]

    asyncio.run(check())


def test_what_is_made_later_shares_a_batch_if_it_fits() -> None:
    made: list[float] = []

    def later(*values: float, width: int = 1) -> Later:
        def prepare() -> Any:
            made.extend(values)
            if 7 in values:
                raise ValueError("seven")
            return row(*values, width=width)

        return Later(prepare)

    async def scene() -> None:
        async with running(max_batch=2) as (scheduler, gate):
            tasks = await queued(scheduler, later(1), later(2), later(3), later(7), later(4), later(5, width=2), row(6))
            gate.open()
            one, two, three, seven, four, five, six = await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.batches == [
            [0],
            [1, 2],
            [3],
            [4],
            [5, 5],
            [6],
        ]  # a wrong one and one of another shape make them go alone
        assert made == [1, 2, 3, 7, 7, 4, 5]
        assert isinstance(seven, ValueError)
        answers = (one, two, three, four, five, six)
        assert [answer.outputs["y"].ravel().tolist() for answer in answers] == [[2], [4], [6], [8], [10, 10], [12]]
        assert (one.rows, three.rows) == (2, 1)

    play(scene)
