"""Who computes with whom, who is refused, who is never computed; the workers are held by a gate, not by time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from server.scheduling import Gate, play, queued, row, running

from lampion_edge import TensorSpec
from lampion_server.cores import Cores
from lampion_server.errors import DeadlineExceededError, OverloadedError, UnavailableError
from lampion_server.scheduler import Scheduler, can_batch
from lampion_server.tickets import Answer


def test_what_waits_together_is_computed_together() -> None:
    async def scene() -> None:
        async with running() as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2, 3), row(4))
            gate.open()
            answers = await asyncio.gather(*tasks)
        assert gate.batches == [[0], [1, 2, 3, 4]]
        assert [answer.outputs["y"].ravel().tolist() for answer in answers] == [[2], [4, 6], [8]]
        assert [answer.rows for answer in answers] == [4, 4, 4]

    play(scene)


def test_unequal_requests_stay_apart() -> None:
    async def scene() -> None:
        double = {"x": np.array([[9]], np.float64)}
        async with running() as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2, width=3), double, row(4))
            tasks += await queued(scheduler, row(5), outputs=["y"])
            gate.open()
            await asyncio.gather(*tasks)
        assert gate.batches == [[0], [1, 4], [2, 2, 2], [9], [5]]

    play(scene)


def test_instances_that_are_free_share_what_waits() -> None:
    async def scene() -> None:
        gate, cores = Gate(), Cores(2)
        scheduler = Scheduler(gate, instances=2, cores=cores)
        with cores.taken(2):  # by another model, while the requests come
            tasks = await queued(scheduler, row(1), row(2), row(3), row(4), row(5))
        for _ in range(2):
            await asyncio.to_thread(gate.entered.acquire)
        gate.open()
        await asyncio.gather(*tasks)
        await asyncio.to_thread(scheduler.close)
        assert sorted(gate.batches) == [[1, 2, 3], [4, 5]]

    play(scene)


@pytest.mark.parametrize(
    ("options", "batches"),
    [
        ({"max_batch": 3}, [[0], [1, 1], [2, 2, 2, 2], [3, 4]]),
        ({"max_batch": 1}, [[0], [1, 1], [2, 2, 2, 2], [3], [4]]),
        ({"max_batch": 6}, [[0], [1, 1, 2, 2, 2, 2], [3, 4]]),
        ({"batching": False}, [[0], [1, 1], [2, 2, 2, 2], [3], [4]]),
    ],
)
def test_limits_of_a_batch(options: dict[str, Any], batches: list[list[float]]) -> None:
    async def scene() -> None:
        async with running(**options) as (scheduler, gate):
            tasks = await queued(scheduler, row(1, 1), row(2, 2, 2, 2), row(3), row(4))
            gate.open()
            await asyncio.gather(*tasks)
        assert gate.batches == batches

    play(scene)


def test_a_bad_request_fails_alone() -> None:
    async def scene() -> None:
        async with running() as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(-1), row(2))
            gate.open()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.batches == [[0], [1, -1, 2], [1], [-1], [2]]
        assert [type(result) for result in results] == [Answer, ValueError, Answer]

    play(scene)


def test_a_full_queue_refuses_at_once() -> None:
    async def scene() -> None:
        async with running(max_queue=2) as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2))
            with pytest.raises(OverloadedError) as refusal:
                await scheduler.submit(row(3))
            assert int(refusal.value.headers()["Retry-After"]) >= 1
            tasks[0].cancel()
            await asyncio.sleep(0)
            tasks += await queued(scheduler, row(4))  # the place of the one who left
            gate.open()
            await asyncio.gather(*tasks[1:])
        assert gate.batches == [[0], [2, 4]]

    play(scene)


def test_retry_after_is_the_time_of_what_waits() -> None:
    async def scene() -> None:
        async with running(max_queue=3, max_batch=2, seconds={1: 4.0, 2: 7.0}) as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2), row(3))
            with pytest.raises(OverloadedError) as refusal:
                await scheduler.submit(row(4))
            assert 7 + 4 <= refusal.value.retry_after <= 7 + 4 + 4  # and what is left of the batch under way
            gate.open()
            await asyncio.gather(*tasks)

    play(scene)


@pytest.mark.parametrize(("seconds", "priority", "admitted"), [(16, 0, False), (60, 0, True), (16, -1, True)])
def test_a_queue_too_long_for_the_deadline_refuses_at_once(seconds: float, priority: int, admitted: bool) -> None:
    async def scene() -> None:
        async with running(max_batch=2, seconds={1: 5.0, 2: 6.0}) as (scheduler, gate):
            tasks = await queued(
                scheduler, row(1), row(2), row(3)
            )  # 6 + 5 seconds of work, after those of the batch under way
            deadline = time.monotonic() + seconds
            if admitted:
                tasks += await queued(scheduler, row(4), deadline=deadline, priority=priority)
            else:
                with pytest.raises(OverloadedError, match=r"the queue takes 1[1-6][.\d]* s"):
                    await scheduler.submit(row(4), deadline=deadline, priority=priority)
            gate.open()
            await asyncio.gather(*tasks)

    play(scene)


def test_while_others_wait_who_would_be_late_is_left_out() -> None:
    async def scene() -> None:
        async with running(max_batch=1, seconds={1: 0.001}) as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2), deadline=time.monotonic() + 20)
            for _ in range(9):
                scheduler.cost.saw(1, 500.0)  # all of a sudden
            (last,) = await queued(scheduler, row(3))
            gate.open()
            for task in tasks:
                with pytest.raises(DeadlineExceededError):
                    await task
            await last
        assert gate.batches == [[0], [3]]

    play(scene)


def test_those_who_left_are_not_waited_for() -> None:
    async def scene() -> None:
        async with running(max_batch=1, seconds={1: 5.0}) as (scheduler, gate):
            tasks = await queued(scheduler, *[row(1)] * 9)
            with pytest.raises(OverloadedError):
                scheduler.check_room(deadline=time.monotonic() + 20)
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
            scheduler.check_room(deadline=time.monotonic() + 20)
            (last,) = await queued(scheduler, row(2), deadline=time.monotonic() + 20)
            gate.open()
            await last
        assert gate.batches == [[0], [2]]

    play(scene)


def test_who_could_not_be_done_in_time_is_not_begun() -> None:
    async def scene() -> None:
        gate = Gate()
        scheduler = Scheduler(gate, seconds={1: 1000.0})
        with pytest.raises(DeadlineExceededError):
            await scheduler.submit(row(1), deadline=time.monotonic() + 500)
        assert gate.batches == []
        await asyncio.to_thread(scheduler.close)

    play(scene)


def test_the_urgent_go_first_and_take_along_who_fits() -> None:
    async def scene() -> None:
        async with running(max_batch=2) as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2), row(3, width=2), priority=1)
            tasks += await queued(scheduler, row(4))
            tasks += await queued(scheduler, row(5, width=2), priority=-1)
            gate.open()
            await asyncio.gather(*tasks)
        assert gate.batches == [[0], [5, 5, 3, 3], [4, 1], [2]]

    play(scene)


def test_models_that_share_cores_take_turns() -> None:
    async def scene() -> None:
        cores = Cores(2)
        async with running(cores=cores, threads=2) as (_, gate):
            other = Gate()
            second = Scheduler(other, cores=cores)
            waiting = await queued(second, row(1), row(2))
            assert not other.entered.acquire(timeout=0.05)  # the first model holds both cores
            waiting += await queued(second, row(3))
            gate.open()
            other.open()
            await asyncio.gather(*waiting)
            assert other.batches == [[1, 2, 3]]  # formed when the cores were free, not before
            await asyncio.to_thread(second.close)

    play(scene)


def test_nobody_computes_for_the_gone() -> None:
    async def scene() -> None:
        async with running() as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2), row(3))
            tasks[1].cancel()
            await asyncio.sleep(0)
            gate.open()
            await asyncio.gather(tasks[0], tasks[2])
        assert gate.batches == [[0], [1, 3]]

    play(scene)


def test_one_who_leaves_during_the_computation_disturbs_nobody() -> None:
    async def scene() -> None:
        async with running() as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2))
            gate.let.release()
            await asyncio.to_thread(gate.entered.acquire)
            tasks[0].cancel()
            gate.open()
            assert (await tasks[1]).outputs["y"].tolist() == [[4]]

    play(scene)


def test_a_passed_deadline_is_never_computed() -> None:
    async def scene() -> None:
        async with running() as (scheduler, gate):
            (late,) = await queued(scheduler, row(1), deadline=time.monotonic() - 1)
            (early,) = await queued(scheduler, row(2), deadline=time.monotonic() + 60)
            gate.open()
            with pytest.raises(DeadlineExceededError):
                await late
            await early
        assert gate.batches == [[0], [2]]

    play(scene)


def test_closing_answers_everyone_who_waits() -> None:
    async def scene() -> None:
        async with running() as (scheduler, gate):
            tasks = await queued(scheduler, row(1), row(2))
            closing = asyncio.create_task(asyncio.to_thread(scheduler.close))
            while not scheduler._closed:
                await asyncio.sleep(0)
            with pytest.raises(UnavailableError):
                await scheduler.submit(row(3))
            gate.open()
            assert [len((await task).outputs["y"]) for task in tasks] == [1, 1]
            await closing

    play(scene)


def test_outputs_that_leave_the_batch_axis_end_batching() -> None:
    async def scene() -> None:
        gate = Gate()
        gate.open()
        scheduler = Scheduler(lambda inputs, outputs: {"y": gate(inputs, outputs)["y"].sum(axis=0)})
        answers = await asyncio.gather(*(scheduler.submit(row(value)) for value in range(20)))
        assert [answer.outputs["y"].tolist() for answer in answers] == [[2 * value] for value in range(20)]
        await asyncio.to_thread(scheduler.close)

    play(scene)


def test_workers_compute_side_by_side() -> None:
    async def scene() -> None:
        async with running(instances=2) as (scheduler, gate):
            (second,) = await queued(scheduler, row(1))
            assert await asyncio.to_thread(gate.entered.acquire, timeout=30)  # while the first is still held
            gate.open()
            await second

    play(scene)


def test_a_worker_survives_its_observer() -> None:
    def observe(rows: int, seconds: float) -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        gate = Gate()
        gate.open()
        scheduler = Scheduler(gate, on_batch=observe)
        for value in (1, 2):
            with pytest.raises(ZeroDivisionError):
                await scheduler.submit(row(value))
        await asyncio.to_thread(scheduler.close)

    play(scene)


def test_a_caller_whose_loop_has_ended_harms_nobody() -> None:
    gate = Gate()
    scheduler = Scheduler(gate)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scheduler.submit(row(1)), 0.01)

    asyncio.run(give_up())
    gate.open()
    assert asyncio.run(scheduler.submit(row(2))).outputs["y"].tolist() == [[4]]
    scheduler.close()


def spec(*shape: int | str | None) -> TensorSpec:
    return TensorSpec("t", "float32", shape)


@pytest.mark.parametrize(
    ("inputs", "outputs", "can"),
    [
        ([spec("batch", 3)], [spec("batch", 5)], True),
        ([spec("batch", 3), spec("batch")], [spec("batch")], True),
        ([spec("batch", 3)], [spec("rows", 5)], False),
        ([spec("batch", 3), spec(3)], [spec("batch")], False),
        ([spec(1, 3)], [spec(1, 5)], False),
        ([spec(None, 3)], [spec(None, 5)], False),
        ([spec()], [spec()], False),
        ([spec("batch")], [spec()], False),
        ([], [spec("batch")], False),
    ],
)
def test_which_models_can_batch(inputs: list[TensorSpec], outputs: list[TensorSpec], can: bool) -> None:
    assert can_batch(inputs, outputs) is can
