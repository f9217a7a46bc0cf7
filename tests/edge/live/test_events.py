from __future__ import annotations

import numpy as np
import pytest
from edge.live.fakes import CARD

from lampion_edge import InputError
from lampion_edge.live.events import Event, Events
from lampion_edge.live.frames import Frame
from lampion_edge.live.watching import Seen


def look(cat: float, number: int, time: float = 1_800_000_000.0) -> Seen:
    return Seen(Frame(0, float(number), ""), number, time, CARD, np.array([cat, 1 - cat]), 0.0, 0.1, 0.1)  # type: ignore[arg-type]


def looked(events: Events, cats: list[float]) -> list[tuple[int, str, str]]:
    """What happens when "cat" has these probabilities, a second apart."""
    return [(number, event.kind, event.label) for number, cat in enumerate(cats) for event in events(look(cat, number))]


@pytest.mark.parametrize(
    ("cats", "expected"),
    [
        ([0.5, 0.59, 0.5], []),
        ([0.6, 0.5, 0.41, 0.6], [(0, "begin", "cat")]),  # between off and on nothing changes
        ([0.7, 0.39, 0.5], [(0, "begin", "cat"), (1, "end", "cat"), (1, "begin", "dog")]),
        ([0.1, 0.61], [(0, "begin", "dog"), (1, "end", "dog"), (1, "begin", "cat")]),
    ],
)
def test_hysteresis(cats: list[float], expected: list[tuple[int, str, str]]) -> None:
    assert looked(Events(CARD, 0.6, 0.4, 1), cats) == expected


def test_smoothing_takes_the_mean_of_the_last_looks() -> None:
    assert looked(Events(CARD, 0.6, 0.4, 3, ["cat"]), [1, 0, 0, 1, 1, 1, 0, 0]) == [
        (4, "begin", "cat"),
        (7, "end", "cat"),
    ]
    assert looked(Events(CARD, 0.9, 0.1, 3, ["cat"]), [1, 1]) == []


def test_only_what_matters() -> None:
    assert looked(Events(CARD, 0.6, 0.4, 1, ["dog"]), [0.9, 0.1, 0.9]) == [(1, "begin", "dog"), (2, "end", "dog")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on": 0.3, "off": 0.4}, "off: expected at most on, which is 0.3, got 0.4"),
        ({"only": ["cow"]}, "cow: the model has no such label, expected cat, dog"),
    ],
)
def test_wrong_options(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Events(CARD, **options)  # type: ignore[arg-type]


def test_how_an_event_is_told() -> None:
    event = Event("end", "cat", 0.31234, 1_800_000_000.25, 7, "fake", 2.0)
    assert str(event) == "2027-01-15T08:00:00.250Z  end    cat  31.2% after 2.0 s"
    assert event.as_json() == {
        **{"event": "end", "label": "cat", "probability": 0.3123, "time": "2027-01-15T08:00:00.250Z"},
        **{"frame": 7, "model": "fake", "seconds": 2.0},
    }


def test_a_clock_that_is_set_does_not_change_how_long_something_lasted() -> None:
    events = Events(CARD, 0.6, 0.4, 1, ["cat"])
    (begun,) = events(look(0.9, 5, time=10.0))
    (ended,) = events(look(0.1, 8, time=1_800_000_000.0))
    assert (begun.time, ended.time, ended.seconds) == (10.0, 1_800_000_000.0, 3.0)
