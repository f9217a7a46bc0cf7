"""A version that is asked everything and never answers: what it would have said is compared and reported."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion_server.caller import Priority
from lampion_server.datatypes import Array
from lampion_server.tickets import Arrays, Names

if TYPE_CHECKING:
    from lampion_server.model import Model

AT_ONCE = 8  # copies under way; the shadow may fall behind, the answers may not
PATIENCE = 10.0  # seconds that a copy may take
TOLERANCE = 1e-3


@dataclass
class Report:
    """What came of the copies: `values` of them differed by more than 0.001, `decisions` in the index of the largest.

    `failed` got an error from the shadow, `skipped` were never sent, for it had enough to do.
    """

    version: str
    compared: int = 0
    values: int = 0
    decisions: int = 0
    worst: float = 0.0
    failed: int = 0
    skipped: int = 0


class Shadow:
    """Sends copies of requests to `model` in the background and keeps a report; used by the event loop alone.

    What is asked again it answers out of its own cache, if it has one: the report counts requests, not questions.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._report = Report(model.version)
        self._tasks: set[asyncio.Task[None]] = set()

    def copy(self, inputs: Arrays, outputs: Names, answered: Arrays) -> None:
        """Ask the shadow the same, and don't wait for it."""
        if len(self._tasks) >= AT_ONCE:
            self._report.skipped += 1
            return
        task = asyncio.create_task(self._compare(inputs, outputs, answered))
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)

    def report(self) -> dict[str, Any]:
        """The report as JSON."""
        return asdict(self._report)

    async def _compare(self, inputs: Arrays, outputs: Names, answered: Arrays) -> None:
        report = self._report
        try:
            theirs = await self.model.answer(inputs, outputs, time.monotonic() + PATIENCE, Priority.BACKGROUND)
        except Exception:
            report.failed += 1
            return
        apart = [_apart(answered[name], theirs.outputs.get(name)) for name in answered]
        report.compared += 1
        report.worst = max(report.worst, *(difference for difference, _ in apart), 0.0)
        report.values += any(difference > TOLERANCE for difference, _ in apart)
        report.decisions += any(decided for _, decided in apart)


def _apart(ours: Array, theirs: Array | None) -> tuple[float, bool]:
    """The largest difference of two outputs, and whether they lead to other decisions."""
    if theirs is None or ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf, True
    if ours.dtype.kind not in "fiub" or not ours.size:
        return (0.0, False) if np.array_equal(ours, theirs) else (np.inf, True)
    same = np.isclose(ours, theirs, rtol=0, atol=0, equal_nan=True)
    difference = np.where(same, 0.0, np.abs(ours.astype(np.float64) - theirs.astype(np.float64)))
    worst = float(np.nan_to_num(difference, nan=np.inf).max())
    decided = ours.ndim > 1 and not np.array_equal(ours.argmax(-1), theirs.argmax(-1))
    return worst, bool(decided)
