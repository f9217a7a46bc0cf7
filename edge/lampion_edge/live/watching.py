"""The loop in the middle: the newest frame to the model, what it saw to whoever wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lampion_edge.card import Card
from lampion_edge.errors import ImageError, InputError, SoundError
from lampion_edge.histogram import Histogram
from lampion_edge.labels import Label, best, probabilities
from lampion_edge.live.clock import Clock
from lampion_edge.live.frames import Frame
from lampion_edge.live.latest import Latest

if TYPE_CHECKING:
    from lampion_edge.golden import Array
    from lampion_edge.session import Session

_PATIENCE = 0.25  # seconds after which the loop looks whether it shall end
_SILENCE = 30.0  # seconds without a frame that are worth a word


@dataclass(frozen=True)
class Seen:
    """What a model saw in a frame: the probability of every class, and seconds: waited for its turn, run, in all.

    `latency` is the age of the frame when its labels were there. `number` counts the camera's frames, dropped ones too.
    """

    frame: Frame
    number: int
    time: float
    card: Card
    probabilities: Array
    waited: float
    ran: float
    latency: float

    def labels(self, top: int | None = None) -> list[Label]:
        """The most probable labels."""
        return best(self.card, self.probabilities, top or self.card.top_k)


class Sink(Protocol):
    """Wants to know what was seen. It must not block: what is slow has a thread of its own."""

    def __call__(self, seen: Seen) -> None:
        """Takes it."""
        ...


class Model(Protocol):
    """What looks at frames; the governor may put another in its place between two of them."""

    @property
    def session(self) -> Session:
        """The session to be asked now."""
        ...

    @property
    def pause(self) -> float:
        """Seconds from the beginning of one run to that of the next, at least; 0 to run whatever comes."""
        ...


@dataclass(frozen=True)
class Always:
    """One model, as fast as it can, or with a pause."""

    session: Session
    pause: float = 0.0


@dataclass
class Figures:
    """What the loop counts; frames that came are `run`, `dropped` for a newer one, or `failed`.

    `behind` is each frame's latency in times of its own run: below 2, no frame waited for as long as the model takes.
    """

    run: int = 0
    dropped: int = 0
    failed: int = 0
    latency: Histogram = field(default_factory=Histogram)
    waited: Histogram = field(default_factory=Histogram)
    ran: Histogram = field(default_factory=Histogram)
    behind: Histogram = field(default_factory=Histogram)

    @property
    def came(self) -> int:
        """All frames."""
        return self.run + self.dropped + self.failed


class Watch:
    """Runs the newest frame again and again. `complain` is told of frames that can't be read."""

    def __init__(
        self,
        frames: Latest[Frame],
        model: Model,
        sinks: Sequence[Sink],
        clock: Clock,
        complain: Callable[[object, str | None], None],
    ) -> None:
        self._frames, self._model, self._sinks, self._clock, self._complain = frames, model, sinks, clock, complain
        self.figures = Figures()

    def run(self, stopped: Callable[[], bool], limit: int | None = None) -> None:
        """Until the camera ends, `stopped()` says so, or `limit` frames came. Raises what the camera or the model raise."""
        number = self._loop(stopped, limit)
        self.figures.dropped += self._frames.count - number

    def _loop(self, stopped: Callable[[], bool], limit: int | None) -> int:
        """Gives the number of the last frame that was looked at."""
        number, due, silent = 0, self._clock.now(), self._clock.now()
        while not stopped() and (limit is None or number < limit):
            if self._clock.now() < due:
                self._clock.sleep(min(_PATIENCE, due - self._clock.now()))
                continue
            got = self._frames.after(number, _PATIENCE)
            if got is None:
                if self._frames.ended:
                    break
                silent = self._worry(silent)
                continue
            silent = self._clock.now()
            due = self._clock.now() + self._model.pause
            self.figures.dropped += got[0] - number - 1
            number, frame = got
            self._look(number, frame)
        return number

    def _worry(self, silent: float) -> float:
        """Says so once if nothing has come for a while; gives since when to count, never again for ever."""
        if self._clock.now() - silent < _SILENCE:
            return silent
        self._complain(
            f"no frame for {_SILENCE:.0f} s",
            "is the camera still there? A watchdog (lampion-edge unit) starts it again",
        )
        return float("inf")

    def _look(self, number: int, frame: Frame) -> None:
        session, start = self._model.session, self._clock.now()
        try:
            inputs = session.prepare(frame.photo)
        except (ImageError, InputError, SoundError) as error:
            return self._failed(error)
        row = probabilities(session.card, session.run(inputs))[0]
        if not np.isfinite(row).all():
            return self._failed(f"{frame.name}: the model gave NaN or infinity")
        end = self._clock.now()
        waited, ran, latency = start - frame.taken, end - start, end - frame.taken
        self.figures.run += 1
        self.figures.waited.add(max(0.0, waited))
        self.figures.ran.add(ran)
        self.figures.latency.add(max(0.0, latency))
        self.figures.behind.add(latency / ran if ran > 0 else 1.0)
        seen = Seen(frame, number, self._clock.wall(), session.card, row, waited, ran, latency)
        for sink in self._sinks:
            sink(seen)
        return None

    def _failed(self, reason: object) -> None:
        self.figures.failed += 1
        if self.figures.failed == 1:
            self._complain(reason, "the others go on; further ones are only counted")
