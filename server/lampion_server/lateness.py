"""How much later answers come than was estimated when their requests were taken in."""

from __future__ import annotations

import math
import time

LEAST, DEEP = 1.5, 2.0  # times an estimate that are allowed for, whatever was seen, with nobody before and with many
MANY = 8
MOST = 10.0  # times an estimate that are believed; what is worse was estimated before anything was known
MEMORY = 15.0  # seconds in which most of what was seen is forgotten


def least(before: int) -> float:
    """Times an estimate that are allowed for: more behind a long queue, which answers no fewer if it is shorter."""
    return LEAST + (DEEP - LEAST) * min(before, MANY) / MANY


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

    def surely(self, estimate: float, before: int = 0, now: float | None = None) -> float:
        """The seconds within which it is there, by all that was seen lately, with so many batches before it."""
        self._fade(now)
        return max(estimate * least(before), min(estimate * (1 + self._share), estimate + self._seconds))

    def _fade(self, now: float | None) -> None:
        now = time.monotonic() if now is None else now
        left = math.exp(min(0.0, self._at - now) / MEMORY)
        self._share, self._seconds, self._at = self._share * left, self._seconds * left, now
