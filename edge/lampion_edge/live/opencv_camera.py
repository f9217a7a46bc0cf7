"""Cameras and video files through OpenCV: USB cameras (V4L2), RTSP and HTTP addresses, files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from lampion_edge.errors import CameraError
from lampion_edge.live.clock import Clock
from lampion_edge.live.frames import Frame
from lampion_edge.live.pacing import paced
from lampion_edge.optional import optional
from lampion_edge.terminal import silenced

_INSTALL = "pip install 'lampion-edge[camera]'"


def opencv() -> Any:
    """OpenCV, quiet. Raises CameraError where it isn't installed."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what fails is said by us, once
    return optional("cv2", "this camera", _INSTALL, CameraError)


class OpenCVCamera:
    """A camera by number, device or address. Its frames are read as fast as they come, so that the driver keeps none."""

    lasting = True

    def __init__(self, source: str, fps: float | None, size: tuple[int, int] | None) -> None:
        self._source, self._fps, self._size = source, fps, size
        self._cv2 = opencv()

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """Frames in RGB as the camera gives them. Raises CameraError if it can't be opened."""
        capture = self._open()
        try:
            while True:
                ok, picture = capture.read()
                if not ok:
                    return
                yield Frame(picture[..., ::-1], clock.now(), self._source)
        finally:
            capture.release()

    def _open(self) -> Any:
        cv2 = self._cv2
        capture = _opened(cv2, int(self._source) if self._source.isdecimal() else self._source)
        if capture is None:
            raise CameraError(
                f"{self._source}: the camera can't be opened",
                hint="is it plugged in (v4l2-ctl --list-devices), free, and may this user use it (group video)?",
            )
        width, height = self._size or (0, 0)
        asked = ((cv2.CAP_PROP_FRAME_WIDTH, width), (cv2.CAP_PROP_FRAME_HEIGHT, height), (cv2.CAP_PROP_FPS, self._fps))
        for name, value in (*asked, (cv2.CAP_PROP_BUFFERSIZE, 1)):
            if value:
                capture.set(name, value)
        return capture


class OpenCVFile:
    """A video file, at its own pace or at `fps`, as a camera would give it: who doesn't keep up misses frames."""

    lasting = False

    def __init__(self, path: str, fps: float | None, loop: bool) -> None:
        self._path, self._fps, self._loop = path, fps, loop
        self._cv2 = opencv()
        self._capture().release()

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """Frames in RGB. Raises CameraError."""
        capture = self._capture()
        try:
            rate = self._fps or capture.get(self._cv2.CAP_PROP_FPS) or 30.0
            for picture in paced(self._pictures(capture), rate, clock):
                yield Frame(picture[..., ::-1], clock.now(), self._path)
        finally:
            capture.release()

    def _pictures(self, capture: Any) -> Iterator[Any]:
        some = True
        while some:  # a file without frames isn't started over for ever
            some = False
            while (read := capture.read())[0]:
                some = self._loop
                yield read[1]
            capture.set(self._cv2.CAP_PROP_POS_FRAMES, 0)

    def _capture(self) -> Any:
        capture = _opened(self._cv2, self._path)
        if capture is None:
            raise CameraError(
                f"{self._path}: not a video that OpenCV reads", hint="expected a video file or a folder of images"
            )
        return capture


def _opened(cv2: Any, source: int | str) -> Any | None:
    """A capture, None if OpenCV can't open it; what the libraries below it say goes nowhere."""
    with silenced():
        capture = cv2.VideoCapture(source)
    return capture if capture.isOpened() else None
