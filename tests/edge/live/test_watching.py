from __future__ import annotations

from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.live.fakes import Complaints, FakeCamera, FakeClock, FakeSession

from lampion_edge import CameraError, Session
from lampion_edge.bench_worker import resident
from lampion_edge.live.folder_camera import FolderCamera
from lampion_edge.live.frames import Camera, Frame, Reader
from lampion_edge.live.latest import Latest
from lampion_edge.live.watching import Always, Seen, Watch


def watched(
    clock: FakeClock, camera: Camera, model: Any, limit: int | None = None, pause: float = 0.0
) -> tuple[Watch, list[Seen], int, Complaints]:
    """A camera run to its end, or to a number of frames."""
    frames, seen, complaints = Latest[Frame](clock), list[Seen](), Complaints()
    watch = Watch(frames, Always(model, pause), [seen.append], clock, complaints)
    clock.start(Reader(camera, frames, clock, complaints).run, "camera")
    watch.run(lambda: False, limit)
    return watch, seen, frames.count, complaints


def test_latency_never_builds_up() -> None:
    """30 frames a second for a model of 100 ms: no frame waits longer than one of the camera takes."""
    clock = FakeClock()
    watch, seen, came, _ = watched(clock, FakeCamera(repeat(0.5)), FakeSession(clock, 0.1), limit=10_000)
    figures = watch.figures
    assert figures.run + figures.dropped == figures.came == came >= 10_000
    assert 3_000 < figures.run <= 3_340
    assert figures.waited.most <= 1 / 30 + 1e-9
    assert figures.latency.most <= 0.1 + 1 / 30 + 1e-9
    assert figures.behind.most < 2
    numbers = [look.number for look in seen]
    assert numbers == sorted(set(numbers))
    assert max(later - sooner for sooner, later in pairwise(numbers)) <= 4


def test_a_fast_model_drops_nothing() -> None:
    clock = FakeClock()
    watch, _, _, _ = watched(clock, FakeCamera([0.5] * 100), FakeSession(clock, 0.01))
    assert (watch.figures.run, watch.figures.dropped) == (100, 0)
    assert watch.figures.waited.most == 0


def test_a_pause_leaves_frames_out_and_takes_the_newest_after_it() -> None:
    clock = FakeClock()
    watch, seen, _, _ = watched(clock, FakeCamera([0.5] * 300), FakeSession(clock, 0.01), pause=1.0)
    assert watch.figures.run + watch.figures.dropped == 300
    assert watch.figures.waited.most <= 1 / 30 + 1e-9
    assert [round(look.frame.taken) for look in seen] == [*range(11)]


def test_what_can_not_be_read_is_counted_and_named_once() -> None:
    clock = FakeClock()
    watch, seen, _, complaints = watched(clock, FakeCamera([0.5, "broken", "broken", 0.6], 1), FakeSession(clock, 0.01))
    assert (watch.figures.run, watch.figures.failed) == (2, 2)
    assert complaints == ["broken: cut off; the others go on; further ones are only counted"]
    assert [look.labels(1)[0].name for look in seen] == ["cat", "cat"]
    watch, _, _, complaints = watched(clock, FakeCamera([float("nan"), 0.5], 1), FakeSession(clock, 0.01))
    assert (watch.figures.run, watch.figures.failed) == (1, 1)
    assert complaints[0].startswith("fake: the model gave NaN or infinity")


def test_what_the_camera_raises_reaches_whoever_watches() -> None:
    clock = FakeClock()
    with pytest.raises(CameraError, match="unplugged"):
        watched(clock, FakeCamera([CameraError("unplugged")]), FakeSession(clock, 0.01))


def test_being_stopped() -> None:
    clock = FakeClock()
    frames = Latest[Frame](clock)
    watch = Watch(frames, Always(FakeSession(clock, 0.1), 60.0), [], clock, Complaints())  # type: ignore[arg-type]
    clock.start(Reader(FakeCamera([0.5] * 1000), frames, clock, Complaints()).run, "camera")
    watch.run(lambda: clock.now() > 3)
    assert watch.figures.run == 1
    assert clock.now() < 4


def test_a_camera_that_hangs_is_named_once() -> None:
    clock, complaints = FakeClock(), Complaints()
    frames = Latest[Frame](clock)
    watch = Watch(frames, Always(FakeSession(clock, 0.1)), [], clock, complaints)  # type: ignore[arg-type]
    frames.put(Frame(0.5, 0.0, "fake"))  # type: ignore[arg-type]
    watch.run(lambda: clock.now() > 300)
    assert [complaint[:17] for complaint in complaints] == ["no frame for 30 s"]
    assert watch.figures.run == 1


class Slow:
    """A real session that takes 100 ms more, by the clock."""

    def __init__(self, session: Session, clock: FakeClock) -> None:
        self.card, self.prepare, self._run, self._clock = session.card, session.prepare, session.run, clock

    def run(self, inputs: Any) -> Any:
        self._clock.sleep(0.1)
        return self._run(inputs)


def test_memory_is_flat(tmp_path: Path, digits_path: Path) -> None:
    """10,000 frames from a folder, 3,333 of them decoded and run by onnxruntime; each is 12 kB of pixels."""
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((64, 64, 3), 80 * number, np.uint8))
    clock, sizes = FakeClock(), list[int]()
    frames = Latest[Frame](clock)
    session: Any = Slow(Session(digits_path, threads=1), clock)
    watch = Watch(frames, Always(session), [lambda _: sizes.append(resident() or 0)], clock, Complaints())
    clock.start(Reader(FolderCamera(str(tmp_path), 30.0, True), frames, clock, Complaints()).run, "camera")
    watch.run(lambda: False, 10_000)
    assert 3_000 < watch.figures.run <= 3_340
    assert max(sizes[300:]) - max(sizes[:300]) < 4e6
