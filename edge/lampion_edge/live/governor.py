"""Holds a temperature or a latency by working less: more rarely, on smaller pictures, with a smaller model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lampion_edge.errors import EdgeError, InputError
from lampion_edge.live.clock import Clock
from lampion_edge.live.watching import Seen

if TYPE_CHECKING:
    from lampion_edge.session import Session

_INTERVAL = 2.0  # seconds between two readings
_SETTLE = 10.0  # after a step down, before the next
_PATIENCE, _LONGEST_PATIENCE = 30.0, 1800.0  # of readings well below the target before a step up
_AHEAD = 10.0  # seconds that a rising temperature is foreseen


@dataclass(frozen=True)
class Rung:
    """One way of working: with which session, for which share of the time."""

    session: Session
    share: float
    name: str


class Governor:
    """A model for `Watch` that is another one when the target asks for it, and a sink that reads how things are.

    A reading at `target` takes a step down the ladder of `rungs` (the best first); half a minute below `target - margin`
    one up. A step up that has to be taken back doubles the time until the next is tried.
    """

    def __init__(
        self,
        rungs: Sequence[Rung],
        reading: Callable[[Seen], float | None],
        target: float,
        margin: float,
        clock: Clock,
        tell: Callable[[str], object],
    ) -> None:
        self._rungs, self._reading, self._target, self._margin = rungs, reading, target, margin
        self._clock, self._tell = clock, tell
        self.at = 0
        self._ran = 0.0
        self._next = self._stepped = self._well = clock.now()
        self._patience, self._went_up = _PATIENCE, float("-inf")

    @property
    def session(self) -> Session:
        """The session to be asked now."""
        return self._rungs[self.at].session

    @property
    def pause(self) -> float:
        """Seconds from one run to the next, so that the rung's share of the time is worked."""
        share = self._rungs[self.at].share
        return 0.0 if share == 1 else self._ran / share

    def __call__(self, seen: Seen) -> None:
        now, self._ran = self._clock.now(), seen.ran
        value = self._reading(seen)
        if now < self._next or value is None:
            return
        self._next = now + _INTERVAL
        if value > self._target - self._margin:
            self._well = now
        if value >= self._target and now - self._stepped >= _SETTLE and self.at + 1 < len(self._rungs):
            if now - self._went_up < 2 * self._patience:
                self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
            self._step(1, now, value)
        elif now - self._well >= self._patience and self.at:
            self._went_up = now
            self._step(-1, now, value)
        elif now - self._went_up > 10 * self._patience:
            self._patience = _PATIENCE

    def _step(self, by: int, now: float, value: float) -> None:
        self.at += by
        self._stepped = self._well = now
        self._tell(f"governor: {value:.0f} of {self._target:.0f}: {self._rungs[self.at].name}")


class Temperature:
    """The processor's degrees as they will be in a few seconds, if they go on as in the last ones."""

    def __init__(self, read: Callable[[], float | None], clock: Clock) -> None:
        if read() is None:
            raise EdgeError("this machine doesn't say how warm it is", hint="hold a latency instead: --hold 80ms")
        self._read, self._clock = read, clock
        self._before: deque[tuple[float, float]] = deque(maxlen=5)

    def __call__(self, seen: Seen) -> float | None:
        now = self._clock.now()
        if self._before and now - self._before[-1][0] < _INTERVAL:
            return self._foreseen()
        degrees = self._read()
        if degrees is not None:
            self._before.append((now, degrees))
        return self._foreseen()

    def _foreseen(self) -> float | None:
        if not self._before:
            return None
        (start, first), (end, last) = self._before[0], self._before[-1]
        slope = (last - first) / (end - start) if end > start else 0.0
        return last + max(0.0, slope) * _AHEAD


class Latency:
    """Milliseconds that nine of ten of the last looks at most took, from the frame to its labels."""

    def __init__(self) -> None:
        self._last: deque[tuple[object, float]] = deque(maxlen=20)

    def __call__(self, seen: Seen) -> float | None:
        if self._last and self._last[-1][0] is not seen.card:
            self._last.clear()  # another model looks now
        self._last.append((seen.card, 1000 * seen.latency))
        values = sorted(value for _, value in self._last)
        return values[int(0.9 * (len(values) - 1))] if len(values) >= 5 else None


def parse_target(text: str) -> tuple[str, float]:
    """ "70C" or "80ms" as its unit and number. Raises InputError."""
    unit = "ms" if text.endswith("ms") else "C" if text.endswith("C") else ""
    number = text[: len(text) - len(unit)]
    if not unit or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise InputError(f"hold: expected degrees such as 70C or a latency such as 80ms, got {text!r}", field="hold")
    return unit, float(number)


def ladder(sessions: Sequence[tuple[str, Session]], *, rarely: bool) -> list[Rung]:
    """The rungs for sessions, the best first: each all the time, or (`rarely`) from half of the time down to an eighth."""
    if not rarely:
        return [Rung(session, 1.0, name) for name, session in sessions]
    halves = [Rung(session, 0.5, f"{name}, half of the time") for name, session in sessions]
    (name, best), (last, cheapest) = sessions[0], sessions[-1]
    less = [Rung(cheapest, share, f"{last}, {share:.1%} of the time") for share in (0.25, 0.125)]
    return [Rung(best, 1.0, name), *halves, *less]
