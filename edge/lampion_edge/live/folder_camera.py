"""A folder of images as a camera."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from lampion_edge.errors import CameraError, InputError
from lampion_edge.input_files import PHOTO_FILES, expand, load_photo
from lampion_edge.live.clock import Clock
from lampion_edge.live.frames import Frame
from lampion_edge.live.pacing import paced


class FolderCamera:
    """Gives the images of a folder in order, so many a second, whether or not anybody keeps up, as a camera would."""

    lasting = False

    def __init__(self, folder: str, fps: float, loop: bool) -> None:
        try:
            self._files = expand([folder], PHOTO_FILES)
        except InputError as error:
            raise CameraError(f"{folder}: there are no images in it", hint=error.hint) from None
        self._fps, self._loop = fps, loop

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """The frames by the clock; a file is read when it is run, and not if it is dropped."""
        for name in paced(cycle(self._files) if self._loop else self._files, self._fps, clock):
            yield Frame(load_photo(name), clock.now(), name)
