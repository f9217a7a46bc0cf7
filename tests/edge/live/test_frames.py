from __future__ import annotations

from typing import Any

import pytest
from edge.live.fakes import Complaints, FakeCamera, FakeClock

from lampion_edge import CameraError
from lampion_edge.live.frames import Frame, Reader
from lampion_edge.live.latest import Latest


def read(photos: list[Any], lasting: bool, until: float) -> tuple[FakeClock, Latest[Frame], Reader, Complaints]:
    clock, complaints = FakeClock(), Complaints()
    frames = Latest[Frame](clock)
    reader = Reader(FakeCamera(photos, 10, lasting), frames, clock, complaints)
    clock.start(reader.run, "camera")
    clock.sleep(until)
    return clock, frames, reader, complaints


def test_a_file_ends() -> None:
    _, frames, reader, complaints = read([0.1, 0.2], False, 1)
    assert (frames.count, frames.ended, reader.reopened, complaints) == (2, True, 0, [])
    assert frames.after(0) == (2, Frame(0.2, 0.2, "fake"))  # type: ignore[arg-type]


def test_a_camera_that_never_worked_is_an_error() -> None:
    _, frames, _, complaints = read([CameraError("unplugged")], True, 1)
    assert complaints == []
    with pytest.raises(CameraError, match="unplugged"):
        frames.after(0)


def test_a_camera_that_goes_away_is_opened_again_ever_less_often() -> None:
    gone = CameraError("unplugged")
    _, frames, reader, complaints = read([0.1, gone, gone, gone, 0.2, ValueError("a driver's own"), 0.3], True, 11)
    assert (frames.count, frames.ended, reader.reopened) == (3, False, 5)
    pauses = [complaint[-3:] for complaint in complaints]
    assert pauses == ["1 s", "2 s", "4 s", "1 s", "1 s", "2 s"]
    assert complaints[3].startswith("a driver's own; the source is opened again")
    assert complaints[4].startswith("nothing more comes; the source is opened again")


def test_stopping() -> None:
    clock, frames, reader, _ = read([0.1] * 100, False, 1.05)
    reader.stop()
    clock.sleep(1)
    assert (frames.count, frames.ended) == (10, True)
