"""Who is taken in, by what waits, what computes, and what was seen of estimates."""

from __future__ import annotations

import math
import time

import pytest

from lampion_server.admission import Admission
from lampion_server.cost import Cost
from lampion_server.errors import OverloadedError
from lampion_server.lateness import least


def admission(*waiting: tuple[int, int], most: int = 2, instances: int = 1, max_queue: int = 99) -> Admission:
    """Of a model whose batches of 1 take 5 seconds and of 2 take 6; `waiting` are rows and priority."""
    made = Admission("m", Cost({1: 5.0, 2: 6.0}), instances, max_queue)
    made.most = most
    for rows, priority in waiting:
        made.came(rows, priority)
    return made


@pytest.mark.parametrize(
    ("waiting", "rows", "priority", "instances", "estimate", "before"),
    [
        ([], 1, 0, 1, 5, 0),
        ([(1, 0)], 1, 0, 1, 6, 0),  # both in one batch
        ([(1, 0), (1, 0)], 1, 0, 1, 6 + 5, 1),
        ([(1, 0), (1, 0)], 1, 0, 2, 6 / 2 + 5, 1),
        ([(1, 0), (1, 1), (1, 2)], 1, 0, 1, 6, 0),  # what is less urgent comes later
        ([(1, 0), (1, 1), (1, 2)], 1, 1, 1, 6 + 5, 1),
    ],
)
def test_an_estimate_is_made_of_batches(
    waiting: list[tuple[int, int]], rows: int, priority: int, instances: int, estimate: float, before: int
) -> None:
    made = admission(*waiting, instances=instances)
    assert made.check(rows, priority) == pytest.approx((estimate, least(before) * estimate))


def test_who_would_be_late_is_refused_and_told_how_long_the_queue_is() -> None:
    made = admission((2, 0), (2, 0))
    made.check(2, 0, left=18 * least(2) + 1)
    with pytest.raises(OverloadedError, match="the queue takes 12 s") as refusal:
        made.check(2, 0, left=18 * least(2) - 1)
    assert refusal.value.retry_after == 12


def test_nobody_is_refused_by_a_model_that_has_nothing_to_do() -> None:
    assert admission().check(1, 0, left=0.001)[0] == 5


def test_what_is_overdue_is_expected_to_take_as_long_again() -> None:
    made = Admission("m", Cost({1: 0.001}), 1, 99)
    made.began(1)
    time.sleep(0.05)
    assert made.check(1, 0)[0] >= 0.048
    made.ended()
    assert made.check(1, 0)[0] == 0.001


def test_free_instances_share_what_waits() -> None:
    made = admission((1, 0), (3, 1), (1, 2), instances=2)
    assert made.share == 3
    made.began(1)
    assert made.share == 5
    made.ended()
    assert made.share == 3


def test_nobody_waits_while_an_instance_is_free() -> None:
    made = admission(instances=2)
    made.began(1)
    assert made.check(1, 0, left=0.001)[0] == 5


def test_answers_that_come_late_shorten_the_queue_of_their_priority() -> None:
    made = admission((1, 0))
    made.check(1, 1, left=10)
    made.took(6.0, 30.0, priority=1)  # more urgent ones came after it
    with pytest.raises(OverloadedError):
        made.check(1, 1, left=10)
    made.check(1, 0, left=10)


def test_what_is_less_urgent_reckons_with_the_urgent_that_will_come() -> None:
    made = admission((2, 1))
    assert made.check(1, 1)[0] == 6 + 5
    made.will_take(1, 0)  # 3 of the last 5 seconds
    assert made.check(1, 1)[0] == pytest.approx(6 / (1 - 3 / 5) + 5, rel=0.01)
    assert made.check(1, 0)[0] == 5


def test_a_deadline_far_away_needs_no_estimate() -> None:
    made = admission((2, 0), max_queue=2)
    assert made.plenty(1, math.inf)
    assert not made.plenty(1, 60)
    made.came(1, 0)
    assert not made.plenty(1, math.inf)  # the queue is full
    made.went(1, 0)
    assert made.plenty(1, math.inf)
