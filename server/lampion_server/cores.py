"""The processor cores that all models of a process share."""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from lampion_server.caller import Priority

# Seconds that background work waits for a free core; where there is none for longer, there will be none.
_PATIENCE = 0.2


class Cores:
    """So many cores, handed out by rank (the lowest first), then by arrival.

    Several models, each with threads of its own, would slow each other down many times over if they all computed at
    once. Nobody overtakes the first in line, or one who wants all cores would wait for ever behind those who want one.

    Background work begins when cores are free, or after a while beside those who never leave them so: a load has to end. It
    can't be interrupted: a caller who comes while it lasts doesn't wait for its end (a large model's measurement takes a
    quarter of a second), but shares the cores with it.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._background = 0  # cores on which background work is under way, which nobody else waits for
        self._line: list[tuple[int, int]] = []
        self._number = count()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int, rank: int = 0) -> Iterator[None]:
        """`wanted` cores (at most all there are) for as long as the block lasts; blocks until they are free."""
        wanted, background = min(wanted, self.total), rank >= Priority.BACKGROUND
        self._take(wanted, rank, background)
        try:
            yield
        finally:
            with self._changed:
                self._count(-wanted, background)
                self._changed.notify_all()

    def _take(self, wanted: int, rank: int, background: bool) -> None:
        with self._changed:
            place = (rank, next(self._number))
            insort(self._line, place)
            patience = _PATIENCE if background else None
            self._changed.wait_for(lambda: self._line[0] == place and self._room(background) >= wanted, patience)
            self._line.remove(place)
            self._count(wanted, background)
            self._changed.notify_all()

    def _room(self, background: bool) -> int:
        return self._free - self._background if background else self._free

    def _count(self, taken: int, background: bool) -> None:
        if background:
            self._background += taken
        else:
            self._free -= taken
