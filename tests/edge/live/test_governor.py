"""A board whose temperature follows the load, and a machine that gets slower: the governor holds what it was told."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.boards import PI4, write
from edge.live.fakes import CARD, Complaints, FakeCamera, FakeClock, FakeSession

from lampion_edge import EdgeError, InputError, board
from lampion_edge.live.frames import Frame, Reader
from lampion_edge.live.governor import Governor, Latency, Rung, Temperature, ladder, parse_target
from lampion_edge.live.latest import Latest
from lampion_edge.live.watching import Seen, Watch

ZONE = "sys/class/thermal/thermal_zone0/temp"


class SimulatedBoard:
    """Warms up by the share of the time that it works: in minutes by 50 degrees over the air, at full load."""

    def __init__(self, root: Path, clock: FakeClock, air: float) -> None:
        self.root, self.clock, self.air, self.degrees = write(root, PI4), clock, air, air
        self._then, self._busy = 0.0, 0.0
        self.history: list[tuple[float, float]] = []

    def work(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self._busy += seconds
        passed = self.clock.now() - self._then
        if passed >= 1:
            settled = self.air + 50 * min(1.0, self._busy / passed)
            self.degrees += (settled - self.degrees) * (1 - np.exp(-passed / 90))
            self._then, self._busy = self.clock.now(), 0.0
            self.history.append((self.clock.now(), self.degrees))
            (self.root / ZONE).write_text(f"{1000 * self.degrees:.0f}\n")


class Working(FakeSession):
    """A session that warms a board."""

    def __init__(self, work: Callable[[float], None], clock: FakeClock, seconds: float) -> None:
        super().__init__(clock, seconds)
        self._work = work

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self._work(self._seconds)
        return {"y": inputs["x"]}


def governed(clock: FakeClock, governor: Governor, seconds: float, fps: float = 10) -> Watch:
    frames = Latest[Frame](clock)
    watch = Watch(frames, governor, [governor], clock, Complaints())
    end = clock.now() + seconds
    reader = Reader(FakeCamera(repeat(0.5), fps), frames, clock, Complaints())
    clock.start(reader.run, "camera")
    watch.run(lambda: clock.now() > end)
    reader.stop()
    return watch


def test_a_temperature_is_held(tmp_path: Path) -> None:
    clock, told = FakeClock(), list[str]()
    simulated = SimulatedBoard(tmp_path, clock, air=40)
    session: Any = Working(simulated.work, clock, 0.5)
    simulated.work(1.5)
    reading = Temperature(lambda: board.temperature(tmp_path), clock)
    governor = Governor(ladder([("big", session)], rarely=True), reading, 70.0, 3.0, clock, told.append)
    governed(clock, governor, 1200, fps=2)  # without a governor it would be 90 degrees
    late = [degrees for moment, degrees in simulated.history if moment > 300]
    assert max(degrees for _, degrees in simulated.history) < 72
    assert min(late) > 55  # and what may be worked is worked
    assert 2 <= len(told) < 20  # it doesn't flutter
    simulated.air = 15  # a window is opened
    governed(clock, governor, 1200, fps=2)
    assert governor.at == 0
    assert simulated.history[-1][1] == pytest.approx(65, abs=1)


def test_a_latency_is_held_with_a_smaller_model() -> None:
    clock, told, slowness = FakeClock(), list[str](), [1.0]
    big, small = (Working(lambda seconds: clock.sleep(seconds * slowness[0]), clock, took) for took in (0.06, 0.02))
    small.card = CARD.__class__(**{**CARD.__dict__, "name": "small"})
    sessions: Any = [("big", big), ("small", small)]
    governor = Governor(ladder(sessions, rarely=False), Latency(), 150.0, 30.0, clock, told.append)
    governed(clock, governor, 60)
    assert (governor.at, told) == (0, [])
    slowness[0] = 4.0  # the board throttles
    watch = governed(clock, governor, 300)
    assert watch.figures.latency.quantile(0.9) < 0.18
    assert governor.at == 1
    assert len(told) < 12  # it tries the big one again ever less often
    slowness[0] = 1.0
    governed(clock, governor, 900)
    assert governor.at == 0


def test_a_machine_that_does_not_say_how_warm_it_is() -> None:
    with pytest.raises(EdgeError, match="this machine doesn't say how warm it is"):
        Temperature(lambda: None, FakeClock())


def test_the_ladder() -> None:
    sessions: Any = [("big", 1), ("small", 2)]
    assert ladder(sessions, rarely=False) == [Rung(1, 1.0, "big"), Rung(2, 1.0, "small")]  # type: ignore[arg-type]
    shares = [(rung.session, rung.share) for rung in ladder(sessions, rarely=True)]
    assert shares == [(1, 1.0), (1, 0.5), (2, 0.5), (2, 0.25), (2, 0.125)]


@pytest.mark.parametrize(("text", "target"), [("70C", ("C", 70.0)), ("80ms", ("ms", 80.0)), ("0.5ms", ("ms", 0.5))])
def test_targets(text: str, target: tuple[str, float]) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["70", "C", "ms", "-70C", "70F", "0C", "seventy"])
def test_wrong_targets(text: str) -> None:
    with pytest.raises(InputError, match="hold: expected degrees such as 70C"):
        parse_target(text)


def test_a_look_is_described_by_its_own_card() -> None:
    """The latency of one model says nothing of another."""
    latency, row = Latency(), np.array([0.5, 0.5])
    seen = [
        Seen(Frame(0.5, 0.0, ""), 1, 0.0, card, row, 0.0, 0.1, ms / 1000) for card, ms in ((CARD, 100), (object(), 20))
    ]  # type: ignore[arg-type]
    assert [latency(seen[0]) for _ in range(6)] == [None] * 4 + [100.0] * 2
    assert [latency(seen[1]) for _ in range(5)] == [None] * 4 + [20.0]
