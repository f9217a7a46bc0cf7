"""The processor cores that all models of a process share."""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count


class Cores:
    """So many cores, handed out by rank (the lowest first), then by arrival.

    Several models, each with threads of its own, would slow each other down many times over if they all computed at
    once. Nobody overtakes the first in line, or one who wants all cores would wait for ever behind those who want one.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._line: list[tuple[int, int]] = []
        self._number = count()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int, rank: int = 0) -> Iterator[None]:
        """`wanted` cores (at most all there are) for as long as the block lasts; blocks until they are free."""
        wanted = min(wanted, self.total)
        self._take(wanted, rank)
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()

    def _take(self, wanted: int, rank: int) -> None:
        with self._changed:
            place = (rank, next(self._number))
            insort(self._line, place)
            self._changed.wait_for(lambda: self._line[0] == place and self._free >= wanted)
            del self._line[0]
            self._free -= wanted
            self._changed.notify_all()
