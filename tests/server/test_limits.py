"""Bodies that are too large are refused early, and the caller gets to read why."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATHS = ["/v2/models/iris/infer", "/v1/models/digits/predict"]
LIMIT = 1_000_000  # of the shared server


def blocks(total: int) -> Iterator[bytes]:
    for _ in range(total // 65536):
        yield bytes(65536)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [LIMIT + 1, 100_000_000])
def test_announced(server: Any, path: str, size: int) -> None:
    refused(server.client.post(path, content=bytes(size)))


@pytest.mark.parametrize("path", PATHS)
def test_chunked(server: Any, path: str) -> None:
    refused(server.client.post(path, content=blocks(100_000_000)))


def test_just_small_enough(server: Any) -> None:
    response = server.client.post(PATHS[0], content=b" " * LIMIT)
    assert response.status_code == 400


def test_a_body_that_never_comes(serve: Any, folder: Path) -> None:
    with serve(folder / "iris.onnx", request_timeout=0.05) as server, connected(server) as connection:
        connection.sendall(f"POST {PATHS[0]} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nfour".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_nothing_is_read_of_an_announced_body(server: Any) -> None:
    with connected(server) as connection:
        connection.sendall(f"POST {PATHS[0]} HTTP/1.1\r\nHost: h\r\nContent-Length: {10**12}\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("headers", [[], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]])
def test_curl_shows_the_sentence(server: Any, tmp_path: Path, headers: list[str]) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(100_000_000))
    command = ["curl", "-sS", *headers, "--data-binary", f"@{large}", server.url + PATHS[1]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert '"code":"TOO_LARGE"' in done.stdout, done


def connected(server: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.client.base_url.port))


def refused(response: Any) -> None:
    error = response.json()
    assert (response.status_code, error["code"], error["field"]) == (413, "TOO_LARGE", "body")
    assert str(LIMIT) in error["error"]
