from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from edge.live.fakes import FakeClock

from lampion_edge import CameraError
from lampion_edge.live.cameras import find_camera
from lampion_edge.live.pacing import paced


def find(source: str | Path, **options: Any) -> Any:
    return find_camera(str(source), **{"fps": None, "size": None, "loop": False} | options)


def test_a_folder_keeps_its_pace(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"not read before it is run")
    clock = FakeClock()
    assert [(frame.taken, frame.name) for frame in find(tmp_path, fps=4.0).frames(clock)] == [
        (0.0, str(tmp_path / "a.jpg")),
        (0.25, str(tmp_path / "b.png")),
    ]
    looped = find(tmp_path, loop=True).frames(clock)
    assert [Path(next(looped).name).name for _ in range(3)] == ["a.jpg", "b.png", "a.jpg"]


def test_being_late_once_does_not_delay_the_rest() -> None:
    clock, moments = FakeClock(), list[float]()
    for value in paced(range(5), 10, clock):
        moments.append(round(clock.now(), 9))
        clock.sleep(0.25 if value == 0 else 0.01)
    assert moments == [0, 0.25, 0.26, 0.3, 0.4]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere", "nowhere: there is no such camera, file or folder"),
        ("empty", "empty: there are no images in it"),
    ],
)
def test_no_such_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CameraError, match=words):
        find(source)


@pytest.mark.parametrize("source", ["0", "/dev/video9", "rtsp://host/1", "video.mp4"])
def test_without_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cv2", None)
    (tmp_path / "video.mp4").write_bytes(b"")
    with pytest.raises(CameraError, match="this camera needs cv2, which is not installed"):
        find(source)


# --- Picamera2, which only a Raspberry Pi has: a module of its shape ---


class FakePicamera2:
    """As much of the class as is used; it remembers what it was told."""

    told: tuple[Any, ...] = ()
    open_ = 0

    def __init__(self) -> None:
        FakePicamera2.open_ += 1

    def create_video_configuration(self, main: Any, controls: Any) -> Any:
        return main, controls

    def configure(self, configuration: Any) -> None:
        FakePicamera2.told = configuration

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None:
        FakePicamera2.open_ -= 1

    def capture_request(self) -> FakePicamera2:
        return self

    def make_array(self, _: str) -> Any:
        return np.zeros((2, 2, 3), np.uint8)

    def get_metadata(self) -> dict[str, int]:
        return {"SensorTimestamp": 40_000_000_000}

    def release(self) -> None: ...


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("picamera2")
    module.Picamera2 = FakePicamera2
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return module


def test_a_raspberry_pi_camera(picamera2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.clock_gettime", lambda _: 40.02)
    clock = FakeClock()
    clock.sleep(100)
    frames = find("picamera2", fps=15.0, size=(320, 240)).frames(clock)
    frame = next(frames)
    assert FakePicamera2.told == ({"size": (320, 240), "format": "BGR888"}, {"FrameRate": 15.0})
    assert (frame.photo.shape, frame.taken) == ((2, 2, 3), pytest.approx(99.98))
    assert FakePicamera2.open_ == 1
    frames.close()
    assert FakePicamera2.open_ == 0


def test_a_raspberry_pi_without_its_camera(picamera2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(picamera2, "Picamera2", none)
    with pytest.raises(CameraError, match="picamera2: the camera can't be opened"):
        next(find("picamera2").frames(FakeClock()))


def test_picamera2_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraError, match="this camera needs picamera2, which is not installed"):
        next(find("picamera2").frames(FakeClock()))
