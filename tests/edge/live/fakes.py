"""What stands at the seams of `lampion_edge.live` in tests: time that jumps, a camera and a model of known pace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from lampion_edge import Card, ImageError, TensorSpec
from lampion_edge.live.clock import Clock
from lampion_edge.live.frames import Frame

Ready = Callable[[], bool]


class FakeClock(Clock):
    """Time that passes only when everybody waits, and then jumps. One thread runs at a time: whoever is due first."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Condition()
        self._waiting: dict[int, tuple[Ready, float]] = {}
        self._turn = threading.get_ident()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return 1_800_000_000 + self._now

    def sleep(self, seconds: float) -> None:
        self._pause(lambda: False, self._now + max(0.0, seconds))

    def wait(self, condition: threading.Condition, ready: Ready, timeout: float | None) -> bool:
        condition.release()
        try:
            self._pause(ready, self._now + (float("inf") if timeout is None else timeout))
        finally:
            condition.acquire()
        return ready()

    def start(self, work: Callable[[], None], name: str) -> None:
        def run() -> None:
            with self._lock:
                self._lock.wait_for(lambda: self._turn == threading.get_ident())
                del self._waiting[threading.get_ident()]
            work()
            with self._lock:
                self._pass_on()

        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._lock:
            thread.start()
            assert thread.ident is not None
            self._waiting[thread.ident] = (lambda: True, self._now)

    def _pause(self, ready: Ready, due: float) -> None:
        me = threading.get_ident()
        with self._lock:
            self._waiting[me] = (ready, due)
            self._pass_on()
            self._lock.wait_for(lambda: self._turn == me)
            del self._waiting[me]

    def _pass_on(self) -> None:
        ready = [who for who, (is_ready, _) in self._waiting.items() if is_ready()]
        if not ready and self._waiting:
            ready = [min(self._waiting, key=lambda who: self._waiting[who][1])]
            self._now = max(self._now, self._waiting[ready[0]][1])
        self._turn = ready[0] if ready else 0
        self._lock.notify_all()


class FakeCamera:
    """Gives what a list says, `fps` a second: photos, or errors to raise; its end is the list's."""

    def __init__(self, photos: Iterable[Any], fps: float = 30.0, lasting: bool = False) -> None:
        self._photos, self._fps, self.lasting = iter(photos), fps, lasting

    def frames(self, clock: Clock) -> Iterator[Frame]:
        for photo in self._photos:
            if isinstance(photo, Exception):
                raise photo
            clock.sleep(1 / self._fps)
            yield Frame(photo, clock.now(), "fake")


CARD = Card(
    name="fake",
    task="image-classification",
    inputs=(TensorSpec("x", "float32", ("batch", "class")),),
    outputs=(TensorSpec("y", "float32", ("batch", "class"), "probabilities"),),
    labels=("cat", "dog"),
)


class FakeSession:
    """Takes `seconds` by the clock; a photo is the probability of "cat", or a text: then it is broken."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.card, self._clock, self._seconds = CARD, clock, seconds

    def prepare(self, photo: Any) -> dict[str, Any]:
        if isinstance(photo, str):
            raise ImageError(f"{photo}: cut off")
        return {"x": np.array([[photo, 1 - photo]])}

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self._clock.sleep(self._seconds)
        return {"y": inputs["x"]}


class Complaints(list[str]):
    """Keeps what would have been said on stderr."""

    def __call__(self, message: object, hint: str | None) -> None:
        self.append(f"{message}; {hint}")
