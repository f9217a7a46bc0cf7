"""Who is taken in: an estimate of when an answer would be there, beside the deadline."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict

from lampion_server.cost import Cost
from lampion_server.errors import OverloadedError
from lampion_server.lateness import Lateness

_WINDOW = 5.0  # seconds over which it is counted how much work comes
_QUICKLY = 8  # times the most that the queue can take; a deadline after that needs no estimate


class Admission:
    """Counts what waits and what is being computed of one model, and refuses what could not be answered in time.

    The estimate is made of what a batch takes (`cost`), of all that is at least as urgent, and of what more urgent will
    come meanwhile, which is as much as came lately. How far answers were from their estimates lately, those of each
    priority for themselves, is allowed for. Where nobody waits and nothing is computed, everybody is taken in: an
    estimate that is too high would otherwise never learn better.
    """

    def __init__(self, name: str, cost: Cost, instances: int, max_queue: int) -> None:
        self.waiting = 0
        self.most = 1  # rows of a batch
        self._name = name
        self._cost = cost
        self._instances = instances
        self._max_queue = max_queue
        self._all_rows = 0
        self._rows: Counter[int] = Counter()  # by priority
        self._ends: dict[int, float] = {}  # when the batch that a thread computes should be done
        self._lateness: defaultdict[int, Lateness] = defaultdict(Lateness)  # by priority
        self._work: defaultdict[int, float] = defaultdict(float)  # seconds of computing that came lately, by priority
        self._counted = 0.0  # when

    @property
    def full(self) -> bool:
        """Whether the queue is."""
        return self.waiting >= self._max_queue

    @property
    def share(self) -> int:
        """Rows of a batch, if all instances that compute nothing now divide what waits among them."""
        return -(-self._all_rows // max(1, self._instances - len(self._ends)))

    # --- what happens ---

    def came(self, rows: int, priority: int) -> None:
        """A request waits."""
        self.waiting += 1
        self._all_rows += rows
        self._rows[priority] += rows

    def will_take(self, rows: int, priority: int) -> None:
        """What came has to be computed."""
        self._fade()
        self._work[priority] += self._cost.expected(self.most) * rows / self.most

    def went(self, rows: int, priority: int) -> None:
        """It waits no longer."""
        self.waiting -= 1
        self._all_rows -= rows
        self._rows[priority] -= rows

    def began(self, rows: int) -> None:
        """This thread computes so many rows."""
        self._ends[threading.get_ident()] = time.monotonic() + self._cost.expected(rows)

    def ended(self) -> None:
        """It has done so."""
        self._ends.pop(threading.get_ident(), None)

    def took(self, estimate: float, seconds: float, priority: int) -> None:
        """An answer of which `check` had told the estimate was there, or given up, after so many seconds."""
        self._lateness[priority].saw(estimate, seconds)

    # --- what follows ---

    def plenty(self, rows: int, left: float) -> bool:
        """Whether the deadline, in so many seconds, is far beyond all that waits; found without much ado."""
        at_most = self._under_way() + (self._all_rows + rows) * self._cost.most_per_row
        return not self.full and left > _QUICKLY * at_most

    def check(self, rows: int, priority: int, left: float = math.inf) -> tuple[float, float]:
        """The seconds until a new request of so many rows should be answered, and until it surely is.

        Raises `OverloadedError` if the queue is full, or if the deadline, in `left` seconds, comes first.
        """
        wait = self._wait(priority)
        if self.full:
            message = f"model {self._name}: {self.waiting} requests are waiting already"
            raise OverloadedError(message, retry_after=wait)
        estimate = self._estimate(rows, priority)
        surely = self._lateness[priority].surely(estimate, self._ahead(priority) // self.most)
        if wait and 0 < left < surely:
            message = f"model {self._name}: the queue takes {wait:.3g} s, and the deadline is in {max(0.0, left):.3g} s"
            raise OverloadedError(message, retry_after=wait)
        return estimate, surely

    def _wait(self, priority: int) -> float:
        """Seconds until everything at least as urgent has been computed, in batches as full as they may be."""
        full, rest = divmod(self._ahead(priority), self.most)
        last = self._cost.expected(rest) if rest else 0.0
        return (self._under_way() + full * self._cost.expected(self.most) + last) / self._instances

    def _estimate(self, rows: int, priority: int) -> float:
        """The same, when the new request shares the last of these batches."""
        full, rest = divmod(self._ahead(priority), self.most)
        begins = (self._under_way() + full * self._cost.expected(self.most)) / self._instances
        return begins / self._left_by_the_urgent(priority) + self._cost.expected(rest + rows)

    def _left_by_the_urgent(self, priority: int) -> float:
        """The share of the instances' time that more urgent requests don't take, by how many came lately."""
        self._fade()
        urgent = sum(seconds for other, seconds in self._work.items() if other < priority)
        return max(0.05, 1 - urgent / _WINDOW / self._instances)

    def _fade(self) -> None:
        now = time.monotonic()
        left, self._counted = math.exp((self._counted - now) / _WINDOW), now
        for priority in self._work:
            self._work[priority] *= left

    def _ahead(self, priority: int) -> int:
        return sum(rows for other, rows in self._rows.items() if other <= priority)

    def _under_way(self) -> float:
        """Seconds that the batches being computed should still take; one that is overdue, as long as it has been so.

        While an instance is free, nobody waits for them.
        """
        if len(self._ends) < self._instances:
            return 0.0
        now = time.monotonic()
        return sum(abs(end - now) for end in list(self._ends.values()))
