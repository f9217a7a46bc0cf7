"""Callers who open a connection and then don't get to the point, against a server as `lampion serve` starts it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from server.processes import running

from lampion_server.connections import MOST_HEAD, Patience

REQUEST = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}).encode()
LINE = b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: h\r\n"
WHOLE = LINE + b"Content-Length: %d\r\n\r\n" % len(REQUEST) + REQUEST
ENDLESS = b"X: " + b"a" * 16 * MOST_HEAD


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with running(folder / "iris.onnx", "--port", 0, "--request-timeout", 1, "--log-level", "error") as (_, url):
        yield int(url.rpartition(":")[2])


NEVER_DONE = [
    *(b"", b"POST", LINE, LINE + b"X: y"),
    LINE + b"Content-Length: 99\r\n\r\nfour",
    LINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
]


def connected(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(sent)
    return connection


def asked(port: int) -> socket.socket:
    """A connection that has had an answer already."""
    connection, answer = connected(port, WHOLE), b""
    while not answer.endswith(b"[2.0,4.0,6.0]}]}"):
        answer += connection.recv(65536)
    return connection


def heard(connection: socket.socket) -> bytes:
    """All that the server says before it hangs up."""
    with connection:
        try:
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            return b""


def test_who_never_finishes_is_hung_up_on(port: int) -> None:
    connections = [asked(port), *(connected(port, sent) for sent in NEVER_DONE)]
    connections[0].sendall(LINE)
    answers = [heard(connection) for connection in connections]  # or a timeout of the socket, which fails the test
    assert [answer[9:12] for answer in answers] == [b"", b"", b"", b"", b"", b"408", b"408"]
    assert all(b"\r\nconnection: close\r\n" in answer.lower() for answer in answers[-2:])


def test_a_body_that_ends_after_its_answer_leaves_an_idle_connection(port: int) -> None:
    """It is kept for longer than somebody may take to finish what he says."""
    with connected(port, WHOLE.replace(b"iris", b"nobody")[:-5]) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        connection.sendall(REQUEST[-5:])
        time.sleep(3)  # three times as much
        connection.sendall(WHOLE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_slow_head_doesnt_gain_time_by_trickling(port: int) -> None:
    with connected(port, LINE) as connection:
        over = threading.Event()

        def trickle() -> None:
            while not over.wait(0.2):
                try:
                    connection.sendall(b"X: y\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            pass
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("second", [False, True], ids=["first", "second"])
@pytest.mark.parametrize(
    "sent",
    [
        *(b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        *(LINE + b"Content-Length: -5\r\n\r\n", LINE + b"Content-Length: x\r\n\r\n"),
        LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=range(5),
)
def test_what_is_not_http_is_told_so_as_json(port: int, second: bool, sent: bytes) -> None:
    connection = asked(port) if second else connected(port, b"")
    connection.sendall(sent)
    head, _, body = heard(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert sorted(json.loads(body)) == ["code", "error", "field", "hint"]


def test_a_head_without_end_is_not_kept(port: int) -> None:
    try:
        answer = heard(connected(port, LINE + ENDLESS))
    except (BrokenPipeError, ConnectionResetError):
        answer = b""  # the hang-up overtook the answer, since bytes were still coming
    assert answer[:10] in (b"", b"HTTP/1.1 4")


def test_a_large_body_is_no_large_head(port: int) -> None:
    body = REQUEST + b" " * 16 * MOST_HEAD
    answer = httpx.post(f"http://127.0.0.1:{port}/v2/models/iris/infer", content=body)
    assert answer.json()["outputs"][0]["data"] == [2, 4, 6]


def test_many_who_say_nothing_keep_nobody_out(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(400)]
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/v2/models/iris/infer", content=REQUEST)
        assert answer.json()["outputs"][0]["data"] == [2, 4, 6]
    finally:
        for connection in idle:
            connection.close()


# --- the rule, by a clock of the test ---


class Connection:
    def __init__(self, cycle: Any, head: int, unread: int) -> None:
        self.cycle = cycle
        self.head = head
        self.unread = unread
        self.transport = SimpleNamespace(get_write_buffer_size=lambda: self.unread, abort=self.abort)
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


BUSY, DONE, SENDING = (
    SimpleNamespace(response_complete=done, more_body=more)
    for done, more in ((False, False), (True, False), (True, True))
)


@pytest.mark.parametrize(
    ("cycle", "head", "unread", "aborted"),
    [
        *((None, 0, 0, True), (None, 5, 0, True), (DONE, 0, 0, False), (DONE, 5, 0, True)),
        *((BUSY, 0, 0, False), (BUSY, 0, 5, True), (DONE, 0, 5, True), (SENDING, 0, 0, True)),
    ],
)
def test_who_is_hung_up_on(cycle: Any, head: int, unread: int, aborted: bool) -> None:
    connection, patience = Connection(cycle, head, unread), Patience(10)
    for now in (0, 5, 10):
        patience.look([connection], now)
        assert not connection.aborted
    patience.look([connection], 11)
    assert connection.aborted is aborted


def test_who_gets_on_is_not() -> None:
    connection, patience = Connection(BUSY, 0, 100), Patience(10)
    for now in range(0, 100, 9):
        connection.unread -= 1
        patience.look([connection], now)
    assert not connection.aborted
