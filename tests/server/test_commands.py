"""`lampion serve` as a process: its one line, its help, its refusals, its orderly end."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from server.processes import run, running


def test_the_ready_line_can_be_read_by_scripts(folder: Path) -> None:
    with running(folder / "iris.onnx", folder / "add.onnx", "--port", "0") as (_, url):
        assert httpx.get(f"{url}/v2/health/ready").json() == {"ready": True}
        assert httpx.get(f"{url}/docs").status_code == 200


def test_settings_come_from_the_environment(folder: Path) -> None:
    environment = {"LAMPION_PORT": "0", "LAMPION_MODELS": str(folder / "iris.onnx"), "LAMPION_MAX_BODY_BYTES": "10"}
    with running(**environment) as (_, url):
        assert httpx.post(f"{url}/v2/models/iris/infer", content=b" " * 11).status_code == 413


def test_a_second_signal_ends_it_at_once_and_quietly(folder: Path, tmp_path: Path) -> None:
    """Unless it comes on the heels of the first: what ends a group of processes often tells its leader twice."""
    path = tmp_path / "lampion.sock"
    arguments = [folder / "iris.onnx", "--uds", path, "--grpc-port", 0, "--drain-delay", 60, "--log-level", "warning"]
    with running(*arguments) as (process, _):
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == -signal.SIGTERM
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_quietly_and_finishes_what_is_under_way(folder: Path, number: signal.Signals) -> None:
    answers: list[httpx.Response] = []

    def ask(client: httpx.Client, url: str) -> None:
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1e5]}
        answers.append(client.post(f"{url}/v2/models/spin/infer", json={"inputs": [tensor]}))

    arguments = [folder / "spin.onnx", "--port", "0", "--max-batch", "1", "--log-level", "warning"]
    with httpx.Client(timeout=60) as client, running(*arguments) as (process, url):
        callers = [threading.Thread(target=ask, args=(client, url)) for _ in range(4)]
        for caller in callers:
            caller.start()
        while 'lampion_queue_seconds_count{model="spin"}' not in client.get(f"{url}/metrics").text:
            pass  # until the first is answered, so that the others are surely under way
        process.send_signal(number)
        for caller in callers:
            caller.join()
        _, errors = process.communicate(timeout=60)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert process.returncode == 0
    assert errors == ""


def test_who_cannot_be_answered_before_the_end_is_told_so(folder: Path) -> None:
    body = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1e6]}]}'
    head = b"POST /v2/models/spin/infer HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body)
    with running(folder / "spin.onnx", "--port", "0", "--drain-timeout", "0") as (process, url):
        address = urlsplit(url)
        with socket.create_connection((address.hostname or "", address.port or 0)) as caller:
            caller.sendall(head + body)
            process.send_signal(signal.SIGTERM)
            with caller.makefile("rb") as answer:
                told = answer.read()
        _, errors = process.communicate(timeout=20)
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b'"the server is shutting down, and could not wait for this answer any longer"' in told
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_an_idle_keep_alive_connection_does_not_hold_it(folder: Path) -> None:
    with running(folder / "iris.onnx", "--port", "0") as (process, url), httpx.Client() as client:
        client.get(url + "/v2")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


REFUSALS: list[tuple[list[object], str, str]] = [
    (["{folder}/none.onnx"], "{folder}/none.onnx: there is no such file", "check the path"),
    (["{folder}/text.onnx"], "{folder}/text.onnx: not an ONNX model", "was the file copied whole?"),
    (["{folder}/damaged.onnx"], "{folder}/damaged.onnx: the graph is not the one its card describes", "copy or export"),
    ([], "expected at least one model file or folder, got none", "lampion serve model.onnx"),
    (["{folder}/empty"], "{folder}/empty: holds no model", "expected .onnx files in it"),
    (["{folder}/text.onnx", "--port", 70000], "setting port: expected 0 to 65535, got 70000", ""),
    (
        ["{folder}/text.onnx", "--host", "no.such.host.invalid"],
        "can't listen on no.such.host.invalid",
        "choose another",
    ),
    (
        ["{folder}/text.onnx", "--port", 8000, "--uds", "{folder}/empty"],
        "can't listen on {folder}/empty: there is something",
        "--uds",
    ),
    (
        ["{folder}/text.onnx", "--collect", "{folder}/text.onnx"],
        "setting collect: expected a folder to write to, got {folder}/text.onnx (File exists)",
        "",
    ),
    (["{folder}/text.onnx", "--config", "{folder}/empty"], "{folder}/empty: can't be read: Is a directory", ""),
    (["{folder}/text.onnx", "--max-batch", 0], "setting max_batch: expected at least 1, got 0", ""),
    (["{folder}/text.onnx", "--instances", 999, "--threads", 9], "999 instances of 9 threads", "lower --workers"),
]


@pytest.mark.parametrize(("arguments", "message", "hint"), REFUSALS)
def test_what_it_refuses_is_a_line_and_a_hint(
    tmp_path: Path, build: Any, arguments: list[object], message: str, hint: str
) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "empty").mkdir()
    build.iris(tmp_path / "damaged.onnx", checksum=f"sha256:{'0' * 64}")
    given = [str(argument).format(folder=tmp_path) for argument in arguments]
    done = run("--port", 0, *given)
    assert (done.returncode, done.stdout) == (1, "")
    first, *more = done.stderr.splitlines()
    assert first.startswith(f"lampion: error: {message.format(folder=tmp_path)}")
    assert [line.startswith("hint: ") and hint in line for line in more] == ([True] if hint else [])


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_in_use_is_a_line_and_a_hint(folder: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:  # which gRPC would share
        done = run(folder / "iris.onnx", "--port", 0, option, taken.getsockname()[1])
    assert done.returncode == 1
    first, hint = done.stderr.splitlines()
    assert "in use" in first
    assert hint == f"hint: choose another --host or {option} (0 takes a free one)"


def test_what_was_misspelt_in_the_environment_is_told(folder: Path) -> None:
    with running(folder / "iris.onnx", "--port", 0, "--cores", 999, LAMPION_WORKER="2") as (process, _):
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    warnings = [line.split(" WARNING ")[1] for line in errors.splitlines() if " WARNING " in line]
    assert warnings[0] == "the environment has LAMPION_WORKER, and there is no such setting: LAMPION_WORKERS?"
    assert warnings[1].startswith("setting cores: 999 are more")


def test_a_wrong_variable_is_one_line() -> None:
    done = run("x.onnx", LAMPION_PORT="http")
    assert done.returncode == 1
    assert done.stderr.startswith("lampion: error: LAMPION_PORT: expected a value of type int, got 'http'")
