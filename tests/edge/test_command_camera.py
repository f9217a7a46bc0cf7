"""The real command: a folder as camera, in a process of its own, watched over HTTP, ended as systemd and people end it."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.processes import ended, running
from PIL import Image

from lampion.utils.data import KeptSamples
from lampion_edge import Session

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six images of two kinds: three of one, three of the other."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        grey = np.zeros((28, 28), np.uint8) if number < 3 else np.eye(28, dtype=np.uint8) * 255
        Image.fromarray(grey).save(folder / f"{number}.png")
    return folder


def test_every_look_and_the_summary(lampion_edge_command: Run, digits_path: Path, photos: Path) -> None:
    expected = [Session(digits_path).predict(path, top=1).labels[0].name for path in sorted(photos.iterdir())]
    done = lampion_edge_command("camera", digits_path, "--source", photos, "--fps", "20", "--every", "--json")
    looks = [line for text in done.stdout.splitlines() if "labels" in (line := json.loads(text))]
    assert {look["frame"]: look["labels"][0]["label"] for look in looks}.items() <= dict(enumerate(expected, 1)).items()
    assert set(looks[0]["timings"]) == {"waited", "ran", "latency"}
    came, run, dropped, failed = map(int, re.findall(r"\d+", done.stderr.splitlines()[0]))
    assert (came, failed) == (6, 0)
    assert run + dropped == came
    assert run == len(looks)
    assert done.returncode == 0


def test_events_in_text(lampion_edge_command: Run, digits_path: Path, photos: Path) -> None:
    first, last = (Session(digits_path).predict(photos / name, top=1).labels[0] for name in ("0.png", "5.png"))
    done = lampion_edge_command(
        *("camera", digits_path, "--source", photos, "--fps", "5", "--smooth", "1", "--on", "0.05", "--off", "0.05"),
        *("--only", last.name),
    )
    assert first.name != last.name
    assert re.fullmatch(rf"\S+Z  begin  {last.name}  \d+\.\d%\n", done.stdout.split("end")[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "nowhere"], "nowhere: there is no such camera, file or folder"),
        (["--source", ".", "--off", "0.9"], "off: expected at most on, which is 0.6, got 0.9"),
        (["--source", ".", "--only", "cow"], "cow: the model has no such label, expected zero, one"),
        (["--source", ".", "--hold", "70"], "hold: expected degrees such as 70C or a latency such as 80ms, got '70'"),
        (["--source", ".", "--gpio", "cow"], "gpio: expected PIN=LABEL such as 17=person, got 'cow'"),
        (["--source", ".", "--mqtt", "host"], "mqtt: expected mqtt://host:1883/topic, got 'host'"),
        (["--source", ".", "--webhook", "host"], "url: expected http://host/path"),
        (["--source", ".", "--stream", "1", "--host", "1.2.3.4"], "1.2.3.4:1: can't listen there"),
    ],
)
def test_wrong_arguments(
    lampion_edge_command: Run, digits_path: Path, photos: Path, arguments: list[str], words: str
) -> None:
    done = lampion_edge_command("camera", digits_path, *arguments, cwd=photos)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"lampion: error: {words}")


# --- for days ---


def camera(*arguments: Any, **environment: str) -> subprocess.Popen[str]:
    return running("camera", *arguments, **environment)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_an_orderly_end_that_systemd_hears_of(
    digits_path: Path, photos: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        process = camera(digits_path, "--source", photos, "--loop", **told)
        assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        process.send_signal(number)
        _, errors = ended(process)
        while (last := systemd.recv(100)) == b"WATCHDOG=1":
            pass
        assert last == b"STOPPING=1"
    assert process.returncode == code
    assert errors.startswith("frames: ")


@pytest.fixture
def watched(digits_path: Path, photos: Path) -> Iterator[str]:
    """A camera with a picture to watch: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = camera(digits_path, "--source", photos, "--loop", "--stream", port)
    assert process.stderr is not None
    assert process.stderr.readline() == f"the picture is at http://127.0.0.1:{port}\n"
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    _, errors = ended(process)
    assert process.returncode == 0
    assert errors.startswith("frames: ")


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
    return content


def test_the_picture_over_http(watched: str) -> None:
    assert b'<img src="/stream"' in read(watched)
    with urllib.request.urlopen(f"{watched}/stream", timeout=30) as stream:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=lampion-frame"
        sizes = []
        for _ in range(3):  # as a browser reads it
            assert stream.readline() == b"--lampion-frame\r\n"
            assert stream.readline() == b"Content-Type: image/jpeg\r\n"
            length = int(stream.readline().removeprefix(b"Content-Length: "))
            assert stream.readline() == b"\r\n"
            sizes.append(Image.open(io.BytesIO(stream.read(length))).size)
            assert stream.readline() == b"\r\n"
    assert sizes == [(320, sizes[0][1])] * 3
    assert Image.open(io.BytesIO(read(f"{watched}/picture.jpg"))).format == "JPEG"
    assert len(json.loads(read(f"{watched}/labels"))["labels"]) == 5
    assert b"lampion_frames_run_total " in read(f"{watched}/metrics")
    assert json.loads(read(f"{watched}/v2/health/live")) == {"live": True}


def test_a_fifth_watcher_is_told_that_there_are_too_many(watched: str) -> None:
    streams = [urllib.request.urlopen(f"{watched}/stream", timeout=30) for _ in range(4)]
    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        urllib.request.urlopen(f"{watched}/stream", timeout=30)
    assert json.loads(refused.value.read())["error"] == "too many watch already"
    refused.value.close()
    for stream in streams:
        stream.close()


def test_a_webhook(digits_path: Path, photos: Path) -> None:
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/events?from=test"
        process = camera(
            digits_path,
            *("--source", photos, "--smooth", "1", "--on", "0.2", "--off", "0.2", "--json", "--webhook", url),
        )
        output, _ = ended(process)
        server.shutdown()
    assert got == [json.loads(line) for line in output.splitlines()] != []


def test_what_is_kept_is_sent(digits_path: Path, photos: Path, tmp_path: Path) -> None:
    got: list[dict[str, Any]] = []
    arrived = threading.Event()

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.extend(json.loads(line) for line in body.splitlines())
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: Any) -> None: ...

    keep = ("--keep", tmp_path / "kept", "--keep-below", "1", "--keep-pause", "0.1", "--flush", "0.2")
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/records"
        process = camera(digits_path, "--source", photos, "--loop", *keep, "--send", url)
        assert arrived.wait(30)
        process.terminate()
        _, errors = ended(process)
        server.shutdown()
    assert process.returncode == 0, errors
    assert got[0]["kind"] == "sample"
    assert [told["id"] for told in KeptSamples(tmp_path / "kept").records[:1]] == [got[0]["id"]]


def test_sending_needs_keeping(lampion_edge_command: Run, digits_path: Path, photos: Path) -> None:
    done = lampion_edge_command("camera", digits_path, "--source", photos, "--send", "http://127.0.0.1:1")
    assert done.stderr.startswith("lampion: error: --send needs --keep")
