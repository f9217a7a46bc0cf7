"""Cameras and outlets through the libraries that others wrote: OpenCV, paho, gpiozero."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.live.fakes import Complaints, FakeClock

from lampion_edge import CameraError
from lampion_edge.live.cameras import find_camera
from lampion_edge.live.events import Event
from lampion_edge.live.outlets import Mqtt, Pin

BEGUN = Event("begin", "cat", 0.9, 1_800_000_000.0, 1, "fake")
ENDED = Event("end", "cat", 0.1, 1_800_000_001.0, 2, "fake", 1.0)


# --- OpenCV ---


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Eight frames at 4 a second, the left half red, ever brighter."""
    import cv2

    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 4.0, (64, 48))
    for number in range(8):
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, :32, 2] = 255 - 20 * (7 - number)  # OpenCV's order is blue, green, red
        writer.write(picture)
    writer.release()
    return path


def find(source: Any, **options: Any) -> Any:
    return find_camera(str(source), **{"fps": None, "size": None, "loop": False} | options)


def test_a_video_at_its_own_pace(video: Path) -> None:
    frames = list(find(video).frames(FakeClock()))
    assert [frame.taken for frame in frames] == [number / 4 for number in range(8)]
    left, right = frames[-1].photo[:, 4:28].mean(axis=(0, 1)), frames[-1].photo[:, 36:60].mean(axis=(0, 1))
    assert left[0] > 230
    assert max(*left[1:], *right) < 25


def test_a_video_that_starts_over_at_another_pace(video: Path) -> None:
    frames = find(video, fps=10.0, loop=True).frames(FakeClock())
    taken = [next(frames) for _ in range(20)]
    assert [frame.taken for frame in taken] == pytest.approx([number / 10 for number in range(20)])
    assert abs(float(taken[0].photo[..., 0].mean()) - float(taken[8].photo[..., 0].mean())) < 1


def test_files_that_are_no_video(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "video.mp4").write_bytes(b"not a video")
    with pytest.raises(CameraError, match=r"video.mp4: not a video that OpenCV reads"):
        find(tmp_path / "video.mp4")
    with pytest.raises(CameraError, match="/dev/video99: the camera can't be opened"):
        next(find("/dev/video99").frames(FakeClock()))
    assert capfd.readouterr().err == ""


# --- paho ---


@pytest.fixture
def broker() -> Iterator[tuple[int, list[tuple[str, dict[str, Any]]]]]:
    """As much of an MQTT 3.1.1 broker as takes what one client publishes: its port, and (topic, message) as they come."""
    got: list[tuple[str, dict[str, Any]]] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_broke, args=(server, got), daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(10)


def _broke(server: socket.socket, got: list[tuple[str, dict[str, Any]]]) -> None:
    client, _ = server.accept()
    with client, client.makefile("rb") as stream:
        while head := stream.read(1):
            length, shift = 0, 0
            while (byte := stream.read(1)[0]) & 0x80:
                length, shift = length | (byte & 0x7F) << shift, shift + 7
            body = stream.read(length | byte << shift)
            if head[0] >> 4 == 1:  # CONNECT
                client.sendall(b"\x20\x02\0\0")
            elif head[0] >> 4 == 3:  # PUBLISH with an identifier, since its quality is "at least once"
                (size,) = struct.unpack_from(">H", body)
                got.append((body[2 : 2 + size].decode(), json.loads(body[4 + size :])))
                client.sendall(b"\x40\x02" + body[2 + size : 4 + size])


def test_mqtt(broker: tuple[int, list[tuple[str, dict[str, Any]]]]) -> None:
    port, got = broker
    outlet = Mqtt(f"mqtt://127.0.0.1:{port}/house/door", Complaints())
    outlet(BEGUN)  # whether or not it is connected yet
    for _ in range(3000):
        if not got:
            threading.Event().wait(0.01)
    outlet(ENDED)
    outlet.close()
    assert got == [("house/door", event.as_json()) for event in (BEGUN, ENDED)]


def test_a_broker_that_does_not_answer_is_named_once() -> None:
    complaints = Complaints()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outlet = Mqtt(f"mqtt://127.0.0.1:{taken.getsockname()[1]}/house/door", complaints)
        outlet(BEGUN)
        for _ in range(3000):
            if not complaints:
                threading.Event().wait(0.01)
        outlet.close()
    assert complaints == ["mqtt: 127.0.0.1: no answer; events wait, and are published when it answers"]


# --- gpiozero ---


def test_a_pin_is_high_while_a_label_is_seen() -> None:
    from gpiozero import Device
    from gpiozero.pins.mock import MockFactory

    Device.pin_factory = MockFactory()
    pin, outlet = Device.pin_factory.pin(17), Pin("17=cat")
    states = []
    for event in (BEGUN, Event("begin", "dog", 0.9, 0.0, 2, "fake"), ENDED, BEGUN):
        outlet(event)
        states.append(pin.state)
    outlet.close()
    assert [*states, pin.state] == [True, True, False, True, False]
