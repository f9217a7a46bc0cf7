"""Who computes with whom, who is refused, who is never computed; the workers are held by a gate, not by time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from lampion_edge import TensorSpec
from lampion_server.cores import Cores
from lampion_server.errors import DeadlineExceededError, OverloadedError, UnavailableError
from lampion_server.later import Later
from lampion_server.scheduler import Scheduler, can_batch
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


# --- inline: the event loop computes ---


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


# --- inputs that are made later ---


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
