"""What is learned of a model's cost, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from lampion_edge import Golden, Session
from lampion_server.cost import Cost, Plan, batch_limit, choose, layouts, measure, sample


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, 8),  # all overhead: the larger the better
        ({1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0}, 1),  # no overhead: waiting brings nothing
        ({1: 1.0, 2: 1.1, 4: 2.1, 8: 4.1}, 4),  # half a percent more isn't worth twice the wait
        ({1: 1.0, 2: 1.0, 4: 9.0, 8: 30.0}, 2),  # falls out of the cache
        ({1: 1.0}, 1),
        ({}, 8),
    ],
)
def test_batch_limit(seconds: dict[int, float], limit: int) -> None:
    assert batch_limit(seconds, 8) == limit


@pytest.mark.parametrize(("wide", "narrow", "threads"), [(0.010, 0.0190, 2), (0.010, 0.0125, 1)])
def test_threads_for_who_scales_instances_for_who_does_not(wide: float, narrow: float, threads: int) -> None:
    assert choose([Plan(1, 2, 1, {1: wide}), Plan(2, 1, 1, {1: narrow})]).threads == threads


@pytest.mark.parametrize(("wide", "narrow", "threads"), [(0.010, 0.0215, 1), (0.010, 0.0230, 2)])
def test_who_decodes_has_an_instance_per_core(wide: float, narrow: float, threads: int) -> None:
    assert choose([Plan(1, 2, 1, {1: wide}), Plan(2, 1, 1, {1: narrow})], decodes=True).threads == threads


@pytest.mark.parametrize(("pair", "four", "limit"), [(2.1, 4.2, 1), (1.95, 3.8, 2), (2.1, 3.4, 4), (1.75, 3.5, 2)])
def test_who_decodes_shares_a_batch_with_one_other_unless_more_bring_much(pair: float, four: float, limit: int) -> None:
    assert batch_limit({1: 1.0, 2: pair, 4: four}, 8, decodes=True) == limit


@pytest.mark.parametrize(
    ("plan", "inline"),
    [
        (Plan(2, 1, 8, {1: 1e-5, 8: 1e-4}), True),
        (Plan(2, 1, 8, {1: 1e-5, 8: 1e-2}), False),
        (Plan(2, 1, 8, {1: 1e-5}), False),  # what its largest batch takes isn't known
        (Plan(1, 2, 8, {8: 1e-4}), False),  # its threads would have to be waited for
        (Plan(2, 1, 8, {8: 1e-4}, steady=False), False),
        (Plan(2, 1, 8, {}), False),
    ],
)
def test_who_is_computed_by_the_event_loop(plan: Plan, inline: bool) -> None:
    assert plan.inline == inline
    assert ("event loop" in str(plan)) == inline
    assert (choose([Plan(1, 2, 8, {8: 1e-6}), plan]) is plan) == inline


def test_a_model_with_a_loop_gets_threads(serve: Any, build: Any, tmp_path: Path) -> None:
    with serve(build.spin(tmp_path / "spin.onnx"), build.iris(tmp_path / "iris.onnx")) as server:
        plans = {name: server.plane.repository.get(name).plan for name in ("spin", "iris")}
    assert {name: (plan.steady, plan.guessed) for name, plan in plans.items()} == {
        "spin": (False, True),
        "iris": (True, False),
    }


def test_without_measurements_one_batch_gets_all_cores() -> None:
    assert choose([Plan(1, 4, 32, {}), Plan(4, 1, 32, {})]).threads == 4


@pytest.mark.parametrize("cores", [1, 2, 3, 8])
@pytest.mark.parametrize("instances", [0, 1, 2])
def test_layouts_fit_the_cores(cores: int, instances: int) -> None:
    for found in layouts(cores, instances):
        assert found[0] * found[1] <= max(cores, instances)
    assert layouts(8, 2, 3) == [(2, 3)]


def test_cost_follows_what_it_sees() -> None:
    cost = Cost({1: 1.0, 8: 4.0})
    assert [cost.expected(rows) for rows in (1, 2, 5, 8, 16)] == [1.0, 2.0, 4.0, 4.0, 8.0]
    for _ in range(50):
        cost.saw(8, 8.0)
    assert cost.expected(8) == pytest.approx(8.0, rel=0.01)
    assert cost.least == 1.0
    assert Cost().expected(3) == 0.0


def test_the_first_batch_puts_right_what_was_guessed() -> None:
    cost = Cost({1: 0.001, 4: 0.002}, guessed=True)
    cost.saw(1, 0.1)
    assert [cost.expected(rows) for rows in (1, 4, 8)] == pytest.approx([0.1, 0.2, 0.4])
    assert (cost.least, cost.most_per_row) == pytest.approx((0.1, 0.1))
    cost.saw(1, 0.2)
    assert cost.expected(1) == pytest.approx(0.12)


def test_measuring_stops_at_its_budget() -> None:
    ran: list[int] = []

    def run(rows: int) -> None:
        ran.append(rows)
        time.sleep(0.02 * rows)

    found = measure(run, most=1024, budget=0.1)
    assert sorted(found) == sorted(set(ran))
    assert 1 in found
    assert max(found) <= 8


def test_waiting_is_not_computing() -> None:
    found = measure(lambda rows: time.sleep(0.01), most=2, budget=0.1, clock=time.thread_time)
    assert max(found.values()) < 0.01


def test_what_others_take_is_not_taken_from_the_budget() -> None:
    found = measure(lambda rows: time.sleep(0.02), most=8, budget=0.02, clock=time.thread_time)
    assert sorted(found) == [1, 2, 4, 8]


def test_a_wait_for_cores_is_not_taken_from_the_budget() -> None:
    @contextmanager
    def late() -> Iterator[None]:
        time.sleep(0.02)
        yield

    assert sorted(measure(lambda rows: None, most=4, budget=0.02, turn=late)) == [1, 2, 4]


def test_samples_are_golden_rows_or_zeros(build: Any, tmp_path: Path) -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    golden = Golden((({"x": x}, {"y": 2 * x[:, :3]}),))
    cases = [
        (build.iris(tmp_path / "golden.onnx", golden=golden), True, [[0, 1, 2, 3]] * 3),
        (build.iris(tmp_path / "zeros.onnx"), True, [[0] * 4] * 3),
    ]
    for path, batching, rows in cases:
        make = sample(Session(path), batching)
        assert make is not None
        assert make(3)["x"].tolist() == rows
    assert sample(Session(build.iris(tmp_path / "fixed.onnx")), False) is None
    assert sample(Session(build.echo(tmp_path / "text.onnx", TensorProto.STRING)), True) is None
