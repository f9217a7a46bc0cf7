"""So many a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from lampion_edge.live.clock import Clock

T = TypeVar("T")


def paced(values: Iterable[T], rate: float, clock: Clock) -> Iterator[T]:
    """The values, each at its time: the first now, then `rate` a second; one that is late doesn't delay the others."""
    start = clock.now()
    for index, value in enumerate(values):
        clock.sleep(start + index / rate - clock.now())
        yield value
