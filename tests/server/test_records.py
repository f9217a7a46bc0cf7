"""What devices kept, brought to the server by their own sender."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lampion.utils.data import KeptSamples
from lampion_edge import ServiceError
from lampion_edge.live.clock import Clock
from lampion_edge.posting import Post
from lampion_edge.store.files import png
from lampion_edge.store.ring import Ring
from lampion_edge.store.sending import KIND, Sender, lines


@pytest.fixture
def served(serve: Any, build: Any, tmp_path: Path) -> Iterator[Any]:
    build.iris(tmp_path / "models/iris.onnx")
    with serve(tmp_path / "models", collect=str(tmp_path / "collected"), collect_bytes=20_000) as server:
        yield server


def kept(tmp_path: Path, count: int) -> Ring:
    ring = Ring(tmp_path / "kept", 2**20)
    for number in range(count):
        labels = [{"label": "a", "probability": 0.4, "index": number % 2}]
        told = {"kind": "sample", "type": "image/png", "labels": labels}
        ring.add(told, png(np.full((2, 2, 3), number, np.uint8)))
    ring.flush()
    return ring


def test_a_device_sends_and_the_samples_are_a_data_set(served: Any, tmp_path: Path) -> None:
    ring = kept(tmp_path, 5)
    sender = Sender(ring, Post(f"{served.url}/v1/records"), Clock(), lambda message, hint: pytest.fail(str(message)))
    for _ in range(3000):
        if sender.sent < 5:
            threading.Event().wait(0.01)
    sender.close()
    collected = KeptSamples(tmp_path / "collected" / ring.id)
    assert [told["id"] for told in collected.records] == [f"{ring.id}-{number}" for number in range(1, 6)]
    assert [(int(image[0, 0, 0]), target) for image, target in collected] == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)]


def test_what_comes_twice_is_kept_once(served: Any, tmp_path: Path) -> None:
    records = kept(tmp_path, 6).after(0, 100, 10**6)
    post = Post(f"{served.url}/v1/records")
    news = [
        json.loads(post(lines(some), KIND))["new"] for some in (records[:4], records[:4], records[2:], [], records[4:])
    ]
    assert news == [4, 0, 2, 0, 0]


GOOD = {"id": "5f0c5f0c5f0c5f0c-1", "number": 1, "kind": "event"}


@pytest.mark.parametrize(
    "line",
    [b"x", b"[1]", b"{}", *(json.dumps(GOOD | bad).encode() for bad in (
        {"id": "../../x-1"}, {"number": 2}, {"id": "5f0c5f0c5f0c5f0c-0", "number": 0}, {"data": "%"}, {"kind": None}, {"id": 3},
    ))],
)  # fmt: skip
def test_what_is_no_record(served: Any, tmp_path: Path, line: bytes) -> None:
    answer = served.client.post("/v1/records", content=json.dumps(GOOD).encode() + b"\n" + line)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("line 2: not a record that a device kept")
    assert not list((tmp_path / "collected").rglob("*.records"))


def test_a_full_folder(served: Any, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="holds as much as it may") as refused:
        Post(f"{served.url}/v1/records")(lines(kept(tmp_path, 120).after(0, 200, 10**6)), KIND)
    assert refused.value.status == 503


def test_a_server_that_collects_nothing(serve: Any, build: Any, tmp_path: Path) -> None:
    build.iris(tmp_path / "iris.onnx")
    with serve(tmp_path) as server:
        answer = server.client.post("/v1/records", content=b"")
        assert (answer.status_code, answer.json()["hint"]) == (404, "lampion serve --collect FOLDER")
