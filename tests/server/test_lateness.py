"""What is allowed for after what was seen."""

from __future__ import annotations

import pytest

from lampion_server.lateness import DEEP, LEAST, MANY, MEMORY, Lateness


def test_nothing_seen_allows_for_the_least() -> None:
    late = Lateness()
    late.saw(1.0, 0.2, now=0)  # sooner than estimated
    late.saw(0.0, 9.0, now=0)  # nothing was estimated
    assert late.surely(2.0, now=0) == 2.0 * LEAST
    assert late.surely(2.0, 1, now=0) > 2.0 * LEAST  # behind others
    assert late.surely(2.0, MANY, now=0) == late.surely(2.0, 9 * MANY, now=0) == 2.0 * DEEP


@pytest.mark.parametrize(
    ("estimate", "took", "asked", "surely"),
    [
        (1.0, 4.0, 1.0, 4.0),  # what was seen
        (1.0, 4.0, 0.1, 0.4),  # a short wait is as many times longer
        (1.0, 4.0, 2.0, 5.0),  # a long one as many seconds
        (0.001, 4.0, 0.1, 1.0),  # nothing was known then: ten times are believed
        (1.0, 4.0, 100.0, 150.0),  # but the least is always allowed for
    ],
)
def test_the_lower_of_two_lines_above_what_was_seen(estimate: float, took: float, asked: float, surely: float) -> None:
    late = Lateness()
    late.saw(estimate, took, now=0)
    assert late.surely(asked, now=0) == pytest.approx(surely)


def test_it_is_forgotten() -> None:
    late = Lateness()
    late.saw(1.0, 9.0, now=0)
    late.saw(1.0, 1.0, now=MEMORY)  # what was no worse changes nothing
    assert late.surely(1.0, now=MEMORY) == pytest.approx(1 + 8 / 2.718281828)
    assert late.surely(1.0, now=10 * MEMORY) == LEAST
