"""What has been ordered so far, for replicas that start later, and why one could not start."""

from __future__ import annotations

from lampion_server.orders import LOAD, UNLOAD, Order
from lampion_server.relay import Failed

Numbered = tuple[int, Order]


class Ledger:
    """An actor of its own, since replicas come and go. Orders are numbered, so that nobody carries one out twice."""

    def __init__(self) -> None:
        self._last = 0
        self._kept: list[Numbered] = []
        self._failure: Failed | None = None

    def number(self) -> int:
        """A number for a new order."""
        self._last += 1
        return self._last

    def keep(self, number: int, order: Order) -> None:
        """An order was carried out by all who were there; a model's last load forgets what was ordered before."""
        settles = order.action in (LOAD, UNLOAD)
        self._kept = [one for one in self._kept if one[1].model != order.model or not settles] + [(number, order)]

    def missed(self, done: set[int]) -> list[Numbered]:
        """The orders that somebody who has `done` these still has to carry out, the oldest first."""
        return sorted((one for one in self._kept if one[0] not in done), key=lambda one: one[0])

    def fail(self, failure: Failed) -> None:
        """A replica can't start."""
        self._failure = failure

    def failure(self) -> Failed | None:
        """Why the last replica that could not start couldn't."""
        return self._failure
