"""Which looks are kept, when they reach the disk, how they are sent, and that they become a data set."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.live.fakes import CARD, Complaints, FakeClock

from lampion.utils.data import DataLoader, KeptSamples
from lampion_edge import ServiceError
from lampion_edge.live.events import Event
from lampion_edge.live.frames import Frame
from lampion_edge.live.watching import Seen
from lampion_edge.store.keeping import Keeper, Policy
from lampion_edge.store.records import Record
from lampion_edge.store.ring import Ring, read, segments
from lampion_edge.store.sending import Sender

PIXELS = np.full((8, 8, 3), 200, np.uint8)


def look(clock: FakeClock, cat: float, photo: Any = PIXELS) -> Seen:
    row = np.array([cat, 1 - cat])
    return Seen(Frame(photo, clock.now(), "fake"), 1, clock.wall(), CARD, row, 0.0, 0.1, 0.1)


def on_disk(folder: Path) -> list[Record]:
    return [record for path in segments(folder) for record in read(path)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keeper(clock: FakeClock, tmp_path: Path) -> Callable[..., Keeper]:
    def make(**policy: Any) -> Keeper:
        return Keeper(Ring(tmp_path, 2**20), Policy(**policy), clock, Complaints())

    return make


def test_what_is_kept(clock: FakeClock, keeper: Callable[..., Keeper], tmp_path: Path) -> None:
    kept = keeper(below=0.7, pause=10, every=60, flush=30)
    for _ in range(100):
        kept(look(clock, 0.6 if 20 <= clock.now() < 50 else 0.9))
        clock.sleep(1)
    kept.event(Event("begin", "cat", 0.9, clock.wall(), 7, "fake"))
    kept.close()
    records = on_disk(tmp_path)
    assert [(record.told["kind"], record.told["time"][14:19]) for record in records] == [
        *(("prediction", "00:00"), ("sample", "00:20"), ("sample", "00:30"), ("sample", "00:40")),
        *(("event", "01:40"),),
    ]
    assert records[1].told["labels"][0] == {"label": "cat", "probability": 0.6, "index": 0}
    assert (records[1].told["type"], records[1].data[:2]) == ("image/jpeg", b"\xff\xd8")
    assert [bool(record.data) for record in records] == [False, True, True, True, False]
    assert kept.kept == 5


def test_the_disk_is_written_seldom(clock: FakeClock, keeper: Callable[..., Keeper], tmp_path: Path) -> None:
    kept = keeper(below=1.0, pause=1, flush=60)
    sizes = []
    for _ in range(200):
        kept(look(clock, 0.6))
        clock.sleep(1)
        sizes.append(sum(path.stat().st_size for path in segments(tmp_path)))
    assert len({*sizes}) == 4  # nothing yet, and after one, two and three minutes
    kept.close()


def test_much_is_written_before_its_time(clock: FakeClock, keeper: Callable[..., Keeper], tmp_path: Path) -> None:
    kept = keeper(below=1.0, pause=1, flush=3600, size=5000)
    for _ in range(20):
        kept(look(clock, 0.6))
        clock.sleep(1)
    assert on_disk(tmp_path)
    kept.close()


def test_a_file_that_went_away(clock: FakeClock, keeper: Callable[..., Keeper], tmp_path: Path) -> None:
    kept = keeper(below=1.0)
    kept(look(clock, 0.6, "nowhere.jpg"))
    kept.close()
    assert (kept.kept, kept.failed, on_disk(tmp_path)) == (0, 1, [])


# --- sending ---


class Server:
    """Takes lines of JSON, if it is up; `answers` are errors to raise first."""

    def __init__(self) -> None:
        self.up, self.answers, self.attempts = True, list[ServiceError](), 0
        self.got: list[dict[str, Any]] = []

    def __call__(self, body: bytes, kind: str) -> None:
        assert kind == "application/x-ndjson"
        self.attempts += 1
        if not self.up:
            raise ServiceError("no answer")
        if self.answers:
            raise self.answers.pop(0)
        self.got += [json.loads(line) for line in body.splitlines()]


def test_what_was_kept_is_sent_when_the_link_is_back(clock: FakeClock, tmp_path: Path) -> None:
    ring, server, complaints = Ring(tmp_path, 2**20), Server(), Complaints()
    server.up = False
    sender = Sender(ring, server, clock, complaints)
    for number in range(250):
        ring.add({"kind": "sample", "place": number}, bytes([number]))
    ring.flush()
    clock.sleep(3600)
    assert server.attempts < 16  # 10 s, 20 s, ..., 10 minutes
    assert complaints == ["what was kept can't be sent: no answer; it stays on disk, and is tried again"]
    server.up = True
    clock.sleep(601)
    assert [entry["place"] for entry in server.got] == [*range(250)]
    assert len({entry["id"] for entry in server.got}) == 250
    assert base64.b64decode(server.got[7]["data"]) == b"\7"
    assert (ring.sent, sender.sent) == (250, 250)
    sender.close()
    ring.close()
    again = Ring(tmp_path, 2**20)
    Sender(again, server, clock, complaints)
    again.add({"kind": "sample", "place": 250})
    again.flush()
    clock.sleep(6)
    assert [entry["place"] for entry in server.got] == [*range(251)]


def test_a_server_that_says_when_and_how_much(clock: FakeClock, tmp_path: Path) -> None:
    ring, server = Ring(tmp_path, 2**20), Server()
    server.answers = [ServiceError("later", status=503, retry_after=100.0), *[ServiceError("big", status=413)] * 3]
    Sender(ring, server, clock, Complaints())
    for _ in range(20):
        ring.add({"kind": "event"})
    ring.flush()
    clock.sleep(100)
    assert server.attempts == 1
    clock.sleep(6)
    assert len(server.got) == 20
    assert server.attempts == 5 + 1  # 100, 50, 25 refused, then 12, and the rest


def test_an_answer_that_was_lost_shows_by_the_ids(clock: FakeClock, tmp_path: Path) -> None:
    ring, server = Ring(tmp_path, 2**20), Server()
    server.answers = [ServiceError("the answer was lost")]

    def send(body: bytes, kind: str) -> None:
        server.got += [json.loads(line) for line in body.splitlines()]  # it had arrived
        server(b"", kind)

    Sender(ring, send, clock, Complaints())
    ring.add({"kind": "event"})
    ring.flush()
    clock.sleep(60)
    assert [entry["id"] for entry in server.got] == [f"{ring.id}-1"] * 2


# --- training on it ---


def test_a_data_set(clock: FakeClock, keeper: Callable[..., Keeper], tmp_path: Path) -> None:
    kept = keeper(below=0.9, pause=1)
    for cat in (0.6, 0.95, 0.2, 0.3):
        kept(look(clock, cat, np.full((4, 6, 3), int(200 * cat), np.uint8)))
        clock.sleep(2)
    kept.close()
    (path,) = segments(tmp_path)
    path.write_bytes(path.read_bytes() + b"LMP1 and what a power cut left")
    unsure = KeptSamples(tmp_path)
    assert [target for _, target in unsure] == [0, 1, 1]
    assert unsure[1][0].shape == (4, 6, 3)
    assert abs(float(unsure[1][0].numpy().mean()) - 40) < 3
    first, _, third = (told["id"] for told in unsure.records)
    looked_at = KeptSamples(tmp_path, lambda image: image.float().mean(), {third: 0, first: 1, "other-1": 0})
    ((batch, targets),) = DataLoader(looked_at, 4)
    assert targets.tolist() == [1, 0]
    assert batch.shape == (2,)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="KeptSamples: no such folder"):
        KeptSamples(tmp_path / "nowhere")
