"""lampion_edge's client against the real server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server.processes import running

from lampion_edge import AsyncClient, Client, InputError, ServiceError
from lampion_server.keys import new_key, write_keys

ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    with Client(server.url, retries=0) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("float", np.array([[1.5, -2], [np.nan, np.inf]], np.float32)),
        ("double", np.array([[1.5, -2]])),
        ("float16", np.array([[1.5, -2]], np.float16)),
        ("bool", np.array([[True, False]])),
        ("int8", np.array([[-128, 127]], np.int8)),
        ("uint64", np.array([[0, 2**64 - 1]], np.uint64)),
        ("int64", np.array([[-(2**63), 5]])),
        ("string", np.array([["a", "bé"]])),
    ],
)
def test_arrays_come_back_as_they_were_sent(client: Client, name: str, array: np.ndarray) -> None:
    back = client.infer(f"echo_{name}", {"x": array})["y"]
    np.testing.assert_array_equal(back, array)
    assert back.dtype == (object if array.dtype.kind == "U" else array.dtype)


def test_infer(client: Client) -> None:
    np.testing.assert_array_equal(client.infer("iris", {"x": ROWS}, ["y"], version="1")["y"], 2 * ROWS[:, :3])
    assert list(client.infer("add", {"a": ROWS[:, :2], "b": ROWS[:, 2:]})) == ["sum"]


def test_predict(client: Client, build: Any, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(build.photo(0))
    for photo in (build.photo(0), tmp_path / "photo.png", str(tmp_path / "photo.png")):
        (label,) = client.predict("digits", photo, top=1)
        assert (label.name, label.index) == ("dark", 0)
    assert client.predict("digits", build.photo(0), top=1, version="stable")[0].name == "dark"


def test_asking_the_server(client: Client) -> None:
    assert client.ready()
    assert {"name": "iris", "version": "1", "state": "READY", "reason": ""} in client.models()
    assert client.metadata("iris")["inputs"][0]["name"] == "x"
    client.load("iris")


@pytest.mark.parametrize(
    ("call", "status", "field", "words"),
    [
        (lambda c: c.infer("none", {"x": ROWS}), 404, "model", "there is no model 'none'"),
        (lambda c: c.infer("iris", {"y": ROWS}), 400, "inputs[0].name", "expected one of x"),
        (lambda c: c.infer("iris", {"x": ROWS.astype(int)}), 400, "inputs[0].datatype", "x is FP32, got INT64"),
        (lambda c: c.predict("digits", b"text"), 400, "photos[0]", "not an image"),
        (lambda c: c.predict("iris", b"[[1, 2, 3, 4]]"), None, None, "model iris tells no labels: ask it with infer"),
        (lambda c: c.predict("digits", b"text", version="9"), 404, "version", "has no version '9'"),
        (lambda c: c.metadata("iris", "9"), 404, "version", "has no version '9'"),
    ],
)
def test_what_the_server_says_no_to(client: Client, call: Any, status: int, field: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as raised:
        call(client)
    assert (raised.value.status, raised.value.field) == (status, field)


@pytest.mark.parametrize("url", ["ftp://host", "http://", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="url: expected"):
        Client(url)


def test_what_it_refuses_itself(client: Client, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got complex128"):
        client.infer("iris", {"x": np.array([1j])})
    with pytest.raises(InputError, match="can't be read"):
        client.predict("digits", tmp_path / "none.png")


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = Client(f"127.0.0.1:{port}", retries=1)
    assert not client.ready()
    with pytest.raises(ServiceError, match=r"no answer: .*refused") as raised:
        client.models()
    assert raised.value.status is None


def test_fewer_than_no_retries_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError("it tries again")

    monkeypatch.setattr("lampion_edge.client.time.sleep", sleep)
    with pytest.raises(ServiceError, match="no answer"):
        Client("unix:/nowhere.sock", retries=-1).models()


def test_it_tries_again() -> None:
    """A server that closes, then says 503 with Retry-After, then answers."""
    replies = [b"", b"HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}"]
    replies.append(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for reply in replies:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        assert Client(f"http://127.0.0.1:{listener.getsockname()[1]}", retries=4).models() == []
        thread.join()


@pytest.mark.parametrize("path", ["", "/", "/models/here", "/models/here/"])
def test_behind_a_path(path: str) -> None:
    """As an ingress has it, which puts many services behind one name."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def asked() -> bytes:
            connection, _ = listener.accept()
            with connection:
                line, _, _ = connection.recv(65536).partition(b"\r\n")
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
            return line

        line = pool.submit(asked)
        assert Client(f"127.0.0.1:{listener.getsockname()[1]}{path}").models() == []
        assert line.result() == f"POST {path.rstrip('/')}/v2/repository/index HTTP/1.1".encode()


def test_many_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda scale: client.infer("iris", {"x": ROWS * scale})["y"], range(40))
        for scale, got in enumerate(answers):
            np.testing.assert_array_equal(got, 2 * scale * ROWS[:, :3])


def test_asyncio(server: Any) -> None:
    async def scene() -> list[Any]:
        client = AsyncClient(server.url)
        return await asyncio.gather(*(client.infer("iris", {"x": ROWS * scale}) for scale in range(5)))

    for scale, got in enumerate(asyncio.run(scene())):
        np.testing.assert_array_equal(got["y"], 2 * scale * ROWS[:, :3])


def test_a_key_and_a_unix_socket(folder: Path, tmp_path: Path) -> None:
    entry, token = new_key("me", ["infer"])
    write_keys(tmp_path / "keys.json", [entry])
    path = tmp_path / "l.sock"
    with running(folder / "iris.onnx", "--uds", path, "--keys", tmp_path / "keys.json") as (_, url):
        for key in (token, f"{token}\n"):  # as it is read from a file
            assert Client(url, key=key).infer("iris", {"x": ROWS})["y"].shape == (2, 3)
        with pytest.raises(ServiceError) as raised:
            Client(url, retries=0).models()
        assert raised.value.status == 401
        with pytest.raises(ServiceError, match="expected scope admin") as raised:
            Client(url, key=token).load("iris")
