"""Which camera a name means."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lampion_edge.errors import CameraError
from lampion_edge.live.folder_camera import FolderCamera
from lampion_edge.live.frames import Camera

AUTO = "auto"
PICAMERA = "picamera2"


def find_camera(source: str, *, fps: float | None, size: tuple[int, int] | None, loop: bool) -> Camera:
    """The camera for what was typed: auto, picamera2, 0, /dev/video0, an address, a video file or a folder of images.

    `size` is (width, height), asked of a real camera; `loop` starts a file or a folder over. Raises CameraError.
    """
    if source == AUTO:
        source = PICAMERA if importlib.util.find_spec("picamera2") else "/dev/video0"
    if Path(source).is_dir():
        return FolderCamera(source, fps or 30.0, loop)
    if source == PICAMERA:
        from lampion_edge.live.picamera import PiCamera

        return PiCamera(fps, size)
    from lampion_edge.live.opencv_camera import OpenCVCamera, OpenCVFile

    if source.isdecimal() or source.startswith("/dev/") or "://" in source:
        return OpenCVCamera(source, fps, size)
    if not Path(source).exists():
        raise CameraError(
            f"{source}: there is no such camera, file or folder",
            hint="expected picamera2, 0, /dev/video0, rtsp://..., a video file or a folder of images",
        )
    return OpenCVFile(source, fps, loop)
