"""Which looks are worth keeping, and the thread that writes them: a card's fsync may take seconds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lampion_edge.errors import EdgeError
from lampion_edge.live.clock import Clock
from lampion_edge.live.events import Event, moment
from lampion_edge.live.watching import Seen
from lampion_edge.sound import rate
from lampion_edge.store.files import as_file
from lampion_edge.store.ring import Ring
from lampion_edge.terminal import megabytes

_AHEAD = 8  # samples that wait for the thread; more are not worth the memory


@dataclass(frozen=True)
class Policy:
    """What is kept: samples whose best label is less probable than `below`, at least `pause` seconds apart, a prediction
    every `every` seconds, and all events; written every `flush` seconds, or before, if there are `size` bytes.
    """

    below: float = 0.5
    pause: float = 10.0
    every: float = 60.0
    flush: float = 60.0
    size: int = 512 * 1024


class Keeper:
    """A sink, and an outlet of events, that keeps them in a ring; `kept` and `failed` count records."""

    def __init__(
        self, ring: Ring, policy: Policy, clock: Clock, complain: Callable[[object, str | None], None]
    ) -> None:
        self._ring, self._policy, self._clock, self._complain = ring, policy, clock, complain
        self._incoming: deque[tuple[dict[str, Any], object | None, int | None]] = deque()
        self._changed = threading.Condition()
        self._closing = self._done = False
        self._next_sample = self._next_prediction = float("-inf")
        self.kept = self.failed = 0
        clock.start(self._work, "keeper")

    def __call__(self, seen: Seen) -> None:
        now, best = self._clock.now(), seen.labels(1)[0]
        sample = best.probability < self._policy.below and now >= self._next_sample
        if not sample and now < self._next_prediction:
            return
        if sample:
            self._next_sample = now + self._policy.pause
        self._next_prediction = now + self._policy.every
        told = {
            **{"time": moment(seen.time), "kind": "sample" if sample else "prediction"},
            **{"model": seen.card.name, "version": seen.card.version, "source": seen.frame.name},
            "labels": [label.as_json() for label in seen.labels()],
        }
        self._put(told, seen.frame.photo if sample else None, rate(seen.card))

    def event(self, event: Event) -> None:
        """Keeps an event."""
        self._put({"kind": "event"} | event.as_json(), None, None)

    def close(self) -> None:
        """Writes what there is, and closes the ring."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._clock.wait(self._changed, lambda: self._done, 10.0)
        self._ring.close()

    def _put(self, told: dict[str, Any], sample: object | None, rate: int | None) -> None:
        with self._changed:
            if sample is not None and len(self._incoming) >= _AHEAD:
                return
            self._incoming.append((told, sample, rate))
            self._changed.notify_all()

    def _work(self) -> None:
        due = self._clock.now() + self._policy.flush
        while not self._done:
            with self._changed:
                left = max(0.0, due - self._clock.now())
                self._clock.wait(self._changed, lambda: bool(self._incoming) or self._closing, left)
                incoming, self._incoming = self._incoming, deque()
                last = self._closing
            for told, sample, hertz in incoming:
                self._add(told, sample, hertz)
            if last or self._clock.now() >= due or self._ring.waiting >= self._policy.size:
                self._flush()
                due = self._clock.now() + self._policy.flush
            with self._changed:
                self._done = last and not self._incoming
                self._changed.notify_all()

    def _add(self, told: dict[str, Any], sample: object | None, hertz: int | None) -> None:
        try:
            data, kind = (b"", None) if sample is None else as_file(sample, hertz)
        except (OSError, EdgeError, ValueError):  # a file that went away meanwhile; an array that is no picture
            self.failed += 1
            return
        if self._ring.add(told | ({"type": kind} if kind else {}), data):
            self.kept += 1
        else:
            self.failed += 1
            if self.failed == 1:
                hint = "give the folder more, or the camera a smaller --size"
                self._complain(f"a sample of {megabytes(len(data))} is too large for what may be kept", hint)

    def _flush(self) -> None:
        try:
            self._ring.flush()
        except OSError as error:
            self._complain(
                f"{self._ring.folder}: can't be written ({error.strerror})", "what should have been kept is lost"
            )
