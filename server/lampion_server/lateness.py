"""How much later answers come than was estimated when their requests were taken in."""

from __future__ import annotations

import math
import time

LEAST = 1.5  # times an estimate that are allowed for, whatever was seen; a queue a third shorter answers no fewer
MOST = 10.0  # times an estimate that are believed; what is worse was estimated before anything was known
MEMORY = 15.0  # seconds in which most of what was seen is forgotten


class Lateness:
    """The worst that was seen lately: as a share of the estimate, and in seconds.

    Whatever makes answers late shows here: other models on the same cores, more urgent callers who come later, a
    machine that stands still for a moment. All that was seen lies below both lines, `estimate * share` and
    `estimate + seconds`, so what may surely be expected is the lower of them.
    """

    def __init__(self) -> None:
        self._share = 0.0  # beyond 1
        self._seconds = 0.0
        self._at = 0.0

    def saw(self, estimate: float, took: float, now: float | None = None) -> None:
        """What was estimated to take so many seconds took so many."""
        if estimate > 0:
            self._fade(now)
            self._share = max(self._share, min(took / estimate, MOST) - 1)
            self._seconds = max(self._seconds, took - estimate)

    def surely(self, estimate: float, now: float | None = None) -> float:
        """The seconds within which it is there, by all that was seen lately."""
        self._fade(now)
        return max(estimate * LEAST, min(estimate * (1 + self._share), estimate + self._seconds))

    def _fade(self, now: float | None) -> None:
        now = time.monotonic() if now is None else now
        left = math.exp(min(0.0, self._at - now) / MEMORY)
        self._share, self._seconds, self._at = self._share * left, self._seconds * left, now
