"""What a camera is, and the thread that reads one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lampion_edge.errors import EdgeError
from lampion_edge.live.clock import Clock
from lampion_edge.live.latest import Latest

if TYPE_CHECKING:
    from lampion_edge.image import Photo

_LONGEST_PAUSE = 30.0  # seconds between attempts to open a camera that went away


@dataclass(frozen=True)
class Frame:
    """A picture, as `Session.predict` takes it (a file is decoded only if it is run), and when it was taken."""

    photo: Photo
    taken: float
    name: str


class Camera(Protocol):
    """Something that gives frames at its own pace, by the clock. `lasting` ones are opened again when they end."""

    lasting: bool

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """Frames as they are taken. Raises CameraError."""
        ...


class Reader:
    """Reads a camera into a mailbox until it ends, or until `stop`; one that worked and went away is opened again."""

    def __init__(
        self, camera: Camera, frames: Latest[Frame], clock: Clock, complain: Callable[[object, str | None], None]
    ) -> None:
        self._camera, self._frames, self._clock, self._complain = camera, frames, clock, complain
        self._stopped = False
        self.reopened = 0

    def stop(self) -> None:
        """Ends the reading with the next frame."""
        self._stopped = True

    def run(self) -> None:
        """The thread's work."""
        pause = 1.0
        while not self._stopped:
            before = self._frames.count
            error = self._read()
            worked = self._frames.count > before
            if self._stopped or not self._camera.lasting or not self._frames.count:
                return self._frames.end(error)
            pause = 1.0 if worked else min(2 * pause, _LONGEST_PAUSE)
            self._complain(error or "nothing more comes", f"the source is opened again in {pause:.0f} s")
            self._clock.sleep(pause)
            self.reopened += 1
        return None

    def _read(self) -> Exception | None:
        """Reads until there is nothing more; gives the reason if that is an error."""
        try:
            for frame in self._camera.frames(self._clock):
                if self._stopped:
                    break
                self._frames.put(frame)
        except EdgeError as error:
            return error
        except Exception as error:  # a driver's own: whoever waits for frames must hear of it
            return error
        return None
