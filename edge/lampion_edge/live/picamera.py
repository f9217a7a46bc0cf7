"""The Raspberry Pi's own camera, through Picamera2, which Raspberry Pi OS brings (apt install python3-picamera2)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from lampion_edge.errors import CameraError
from lampion_edge.live.clock import Clock
from lampion_edge.live.frames import Frame
from lampion_edge.optional import optional

_SIZE = (640, 480)


class PiCamera:
    """The first camera on the ribbon cable."""

    lasting = True

    def __init__(self, fps: float | None, size: tuple[int, int] | None) -> None:
        self._fps, self._size = fps, size or _SIZE

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """Frames in RGB, each with the time when the sensor began it. Raises CameraError."""
        camera = self._open()
        try:
            while True:
                request = camera.capture_request()
                try:
                    picture, metadata = request.make_array("main"), request.get_metadata()
                finally:
                    request.release()  # the sensor has only a few buffers
                yield Frame(picture, clock.now() - _age(metadata), "picamera2")
        finally:
            camera.stop()
            camera.close()

    def _open(self) -> Any:
        hint = "apt install python3-picamera2, and a venv with --system-site-packages"
        library = optional("picamera2", "this camera", hint, CameraError)
        try:
            camera = library.Picamera2()
            # libcamera names formats by the order in a register: its BGR888 lies in memory as R, G, B.
            controls = {"FrameRate": self._fps} if self._fps else {}
            camera.configure(
                camera.create_video_configuration({"size": self._size, "format": "BGR888"}, controls=controls)
            )
            camera.start()
        except (RuntimeError, IndexError) as error:
            hint = "is the ribbon cable in (rpicam-hello --list-cameras), and no other program using the camera?"
            raise CameraError(f"picamera2: the camera can't be opened ({error})", hint=hint) from None
        return camera


def _age(metadata: dict[str, Any]) -> float:
    """Seconds since the sensor began the frame; its stamp counts nanoseconds since the board was switched on."""
    stamp = metadata.get("SensorTimestamp")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - stamp / 1e9) if stamp else 0.0
