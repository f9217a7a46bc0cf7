"""Sockets: limits, malformed requests, slow and leaving callers, the end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from edge.web.servers import answer, error, listening, said

from lampion_edge import EdgeError, InputError
from lampion_edge.web.listening import Limits, Web
from lampion_edge.web.messages import Answer, Request, Route, json_answer

ENTERED, LEAVE = threading.Event(), threading.Event()


def slow(_: Request) -> Answer:
    ENTERED.set()
    LEAVE.wait(20)
    return json_answer("done")


def bad(_: Request) -> Answer:
    raise InputError("x: expected y", field="x", hint="do z")


def pieces(_: Request) -> Answer:
    return Answer((piece for piece in (b"a", b"b", b"c")), "text/plain")


ROUTES = [
    Route("GET", "/", lambda _: json_answer("here")),
    Route("POST", "/length", lambda request: json_answer(len(request.body))),
    Route("GET", "/named/{name}/x", lambda request: json_answer([dict(request.names), dict(request.query)])),
    Route("GET", "/bad", bad),
    Route("GET", "/bug", lambda _: json_answer(1 / 0)),
    Route("GET", "/pieces", pieces),
    Route("GET", "/slow", slow),
]
LIMITS = Limits(connections=3, body=1000, arrival=0.3, silence=0.5)


@pytest.fixture
def web() -> Iterator[Web]:
    ENTERED.clear()
    LEAVE.clear()
    with listening(ROUTES, LIMITS) as web:
        yield web
        LEAVE.set()


@pytest.mark.parametrize(
    ("raw", "status", "content"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 200, b'"here"'),
        (b"HEAD / HTTP/1.0\r\n\r\n", 200, b""),
        (b"GET /named/a%20b/x?q=1&q2= HTTP/1.1\r\n\r\n", 200, b'[{"name": "a b"}, {"q": "1", "q2": ""}]'),
        (b"POST /length HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 200, b"5"),
        (b"POST /length HTTP/1.1\r\n\r\n", 200, b"0"),
    ],
)
def test_answers(web: Web, raw: bytes, status: int, content: bytes) -> None:
    got = said(web, raw) if not raw.startswith(b"HEAD") else (*_head(web, raw), b"")
    assert (got[0], got[2]) == (status, content)


def _head(web: Web, raw: bytes) -> tuple[int, dict[str, str]]:
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(raw)
        content = b"".join(iter(lambda: connection.recv(1000), b""))
    assert content.endswith(b"\r\n\r\n")
    assert b"Content-Length: 6\r\n" in content
    return int(content.split()[1]), {}


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        (b"GET /nowhere HTTP/1.1\r\n\r\n", 404, "/nowhere: there is no such route"),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405, "/: expected GET, got POST"),
        (b"DELETE /length HTTP/1.1\r\n\r\n", 405, "/length: expected POST, got DELETE"),
        (b"BREW / HTTP/1.1\r\n\r\n", 501, "Unsupported method"),
        (b"nonsense\r\n\r\n", 400, "Bad request syntax"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431, "Too many headers"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "malformed request"),
        (b"POST /length HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, 413, "the body has 1,001 bytes, at most"),
        (b"POST /length HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "Content-Length: expected a number"),
        (b"POST /length HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", 400, "the body ends before its Content-Length"),
        (b"POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "a body in chunks is not read here"),
        (b"GET /bad HTTP/1.1\r\n\r\n", 400, "x: expected y"),
    ],
)  # fmt: skip
def test_refusals(web: Web, raw: bytes, status: int, words: str) -> None:
    got, headers, content = said(web, raw)
    assert (got, headers["Content-Type"]) == (status, "application/json")
    assert error(content).startswith(words)


def test_a_bug_tells_the_caller_nothing_and_the_log_everything(web: Web, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, content = said(web, b"GET /bug HTTP/1.1\r\n\r\n")
    assert (status, error(content)) == (500, "the server failed on this request; its log says why")
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_pieces_are_sent_as_they_come(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(b"GET /pieces HTTP/1.1\r\n\r\n")
        content = b"".join(iter(lambda: connection.recv(1000), b""))
    assert content.endswith(b"\r\n\r\nabc")
    assert b"Content-Length" not in content


def test_a_connection_is_kept_for_the_next_request(web: Web) -> None:
    with (
        socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection,
        connection.makefile("rb") as stream,
    ):
        for _ in range(3):
            connection.sendall(b"POST /length HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
            assert answer(stream)[2] == b"2"
        connection.sendall(b"POST /length HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        connection.sendall(b"hi")
        assert answer(stream)[2] == b"2"


def test_a_large_body_is_refused_before_it_is_sent(web: Web) -> None:
    with (
        socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.sendall(b"POST /length HTTP/1.1\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n\r\n")
        assert answer(stream)[0] == 413


def test_a_body_that_drips(web: Web) -> None:
    with (
        socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.sendall(b"POST /length HTTP/1.1\r\nContent-Length: 900\r\n\r\n")
        for _ in range(5):
            connection.sendall(b"x")
            time.sleep(0.1)
        status, _, content = answer(stream)
        assert (status, error(content)) == (408, "the body didn't arrive in time")


def test_a_silent_connection_is_closed(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        assert connection.recv(1) == b""


def test_too_many_connections(web: Web) -> None:
    held = [socket.create_connection(("127.0.0.1", web.port), timeout=20) for _ in range(3)]
    for connection in held:
        connection.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
    while len(web._connections) < 3:
        time.sleep(0.01)
    status, headers, content = said(web, b"GET / HTTP/1.1\r\n\r\n")
    assert (status, headers["Retry-After"], error(content)) == (503, "1", "too many connections")
    LEAVE.set()
    for connection in held:
        with connection.makefile("rb") as stream:
            assert answer(stream)[0] == 200
        connection.close()


def test_callers_who_leave_make_no_noise(web: Web, capfd: pytest.CaptureFixture[str]) -> None:
    for raw in (b"GET /slow HTTP/1.1\r\n\r\n", b"POST /length HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", b"GE"):
        with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
            connection.sendall(raw)
    LEAVE.set()
    while web._connections:
        time.sleep(0.01)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("grace", "whole"), [(20.0, True), (0.05, False)])
def test_the_end(grace: float, whole: bool) -> None:
    """What runs finishes, if there is time; who only holds a connection doesn't hold the end up; nobody new gets in."""
    ENTERED.clear()
    LEAVE.clear()
    web = Web(ROUTES, "127.0.0.1", 0)
    web.start()
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as idle, idle.makefile("rb") as silence:
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert answer(silence)[0] == 200
        with socket.create_connection(("127.0.0.1", web.port), timeout=20) as busy, busy.makefile("rb") as stream:
            busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
            assert ENTERED.wait(20)
            ended: list[bool] = []
            ending = threading.Thread(target=lambda: ended.append(web.stop(grace)))
            ending.start()
            assert silence.read() == b""
            if whole:
                LEAVE.set()
                status, headers, _ = answer(stream)
                assert (status, headers["Connection"]) == (200, "close")
            ending.join()
            assert ended == [whole]
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", web.port), timeout=20)
    LEAVE.set()


@pytest.mark.parametrize(("host", "port"), [("1.2.3.4", 0), ("127.0.0.1", 70000), ("no.such.host.invalid", 0)])
def test_an_address_that_can_not_be_had(host: str, port: int) -> None:
    with pytest.raises(EdgeError, match="can't listen there"):
        Web([], host, port)


def test_a_port_that_is_taken(web: Web) -> None:
    with pytest.raises(EdgeError, match="can't listen there"):
        Web([], "127.0.0.1", web.port)


def test_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    with listening(
        ROUTES, told=lambda request, status, seconds: heard.append((request and request.path, status))
    ) as web:
        for path in (b"/", b"/bad", b"/nowhere"):
            said(web, b"GET " + path + b" HTTP/1.1\r\n\r\n")
    assert sorted(heard, key=lambda one: one[1]) == [("/", 200), ("/bad", 400), (None, 404)]  # each by its own thread
