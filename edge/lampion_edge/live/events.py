"""From probabilities to events: something begins to be seen, and ends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion_edge.card import Card
from lampion_edge.errors import InputError

if TYPE_CHECKING:
    from lampion_edge.golden import Array
    from lampion_edge.live.watching import Seen

BEGIN, END = "begin", "end"


def moment(time: float) -> str:
    """Seconds since 1970, as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Event:
    """A label begins or ends; `seconds` is how long it lasted (None at the beginning), `number` the frame's."""

    kind: str
    label: str
    probability: float
    time: float
    number: int
    model: str
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As stdout, webhooks and MQTT get it."""
        told = {
            "event": self.kind,
            "label": self.label,
            "probability": round(self.probability, 4),
            "time": moment(self.time),
        }
        rest = {"frame": self.number, "model": self.model}
        return told | rest | ({} if self.seconds is None else {"seconds": round(self.seconds, 3)})

    def __str__(self) -> str:
        lasted = "" if self.seconds is None else f" after {self.seconds:.1f} s"
        return f"{moment(self.time)}  {self.kind:<5}  {self.label}  {self.probability:.1%}{lasted}"


class Events:
    """Threshold with hysteresis: a label begins at `on`, ends below `off`, by its mean over the last `smooth` looks.

    `only` names the labels that matter; all without it. Raises InputError for a label that the card doesn't have.
    """

    def __init__(
        self, card: Card, on: float = 0.6, off: float = 0.4, smooth: int = 3, only: Collection[str] = ()
    ) -> None:
        if off > on:
            raise InputError(f"off: expected at most on, which is {on}, got {off}", field="off")
        for name in only:
            if name not in card.labels:
                known = ", ".join(card.labels[:8]) + (", ..." if len(card.labels) > 8 else "")
                raise InputError(f"{name}: the model has no such label, expected {known}", field="only")
        self._card, self._on, self._off, self._smooth, self._only = card, on, off, smooth, frozenset(only)
        self._looks: list[Array] = []
        self._since: dict[int, float] = {}

    def __call__(self, seen: Seen) -> list[Event]:
        """The events of one look."""
        self._looks = (
            [*self._looks[-self._smooth + 1 :], seen.probabilities] if self._smooth > 1 else [seen.probabilities]
        )
        if len(self._looks) < self._smooth:
            return []
        mean: Array = np.mean(self._looks, axis=0)
        # How long it lasted is told by a clock that nobody sets: a board without a battery learns the time of day late.
        ended = {index: seen.frame.taken - self._since.pop(index) for index in self._ending(mean)}
        events = [self._event(END, index, mean, seen, seconds) for index, seconds in ended.items()]
        for index in np.flatnonzero(mean >= self._on).tolist():
            if index not in self._since and (not self._only or self._name(index) in self._only):
                self._since[index] = seen.frame.taken
                events.append(self._event(BEGIN, index, mean, seen))
        return events

    def _ending(self, mean: Array) -> list[int]:
        return [index for index in self._since if mean[index] < self._off]

    def _event(self, kind: str, index: int, mean: Array, seen: Seen, seconds: float | None = None) -> Event:
        return Event(kind, self._name(index), float(mean[index]), seen.time, seen.number, self._card.name, seconds)

    def _name(self, index: int) -> str:
        return self._card.labels[index] if self._card.labels else str(index)
