"""How values are spread, in a fixed number of counters: what runs for days can't keep every value."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

# 24 to a decade, so each is a tenth above the last: 0.1 ms to 1,000 s.
_BOUNDS = [10 ** (exponent / 24) for exponent in range(-96, 73)]
_EVERY = 8  # of which Prometheus is told: 1, 2.15, 4.64, 10, ...


class Histogram:
    """Seconds, or other values from 0.0001 to 1,000; a quantile is at most a tenth too high, never too low."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self.count, self.sum, self.most = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        """Counts a value in."""
        self._counts[bisect_left(_BOUNDS, value)] += 1
        self.count += 1
        self.sum += value
        self.most = max(self.most, value)

    def quantile(self, share: float) -> float:
        """The value that `share` of all don't exceed (0.5 for the median); 0 without any."""
        left = share * self.count
        for bound, count in zip(_BOUNDS, self._counts, strict=False):
            left -= count
            if left <= 0:
                return min(bound, self.most)
        return self.most

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Bounds, each with how many values don't exceed it."""
        below = 0
        for index, bound in enumerate(_BOUNDS):
            below += self._counts[index]
            if index % _EVERY == 0:
                yield bound, below
