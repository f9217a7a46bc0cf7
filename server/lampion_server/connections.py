"""Connections as uvicorn has them, with an end to what a caller may do without getting to the point."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import orjson

from lampion_server.errors import BadRequestError, HeadTooLargeError, ServerError, error_body
from lampion_server.writing import Joined

MOST_HEAD = 65536  # bytes of a request's line and headers


def guarded(protocol: Any) -> Any:
    """uvicorn's HTTP protocol, whichever of its two, with `Guarded` before it."""
    return type("GuardedProtocol", (Guarded, protocol), {})


class Guarded:
    """Refuses a head without end, and says what isn't HTTP in the words that all errors have."""

    cycle: Any
    transport: Any
    head = 0

    def connection_made(self, transport: Any) -> None:
        """Answers are written head and body together."""
        super().connection_made(Joined(transport))  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        """What came in; it belongs to a head as long as no request comes of it and none waits for its body."""
        before = self.cycle
        in_head = before is None or not before.more_body
        super().data_received(data)  # type: ignore[misc]
        self.head = self.head + len(data) if in_head and self.cycle is before else 0
        if self.head > MOST_HEAD and not self.transport.is_closing():
            self._refuse(HeadTooLargeError(f"the request's head: expected at most {MOST_HEAD} bytes, got more"))

    def on_message_complete(self) -> None:
        """A body that ends after its answer: uvicorn throws it away, and would think for ever that more is to come."""
        super().on_message_complete()  # type: ignore[misc]
        if self.cycle.response_complete:
            self.cycle.more_body = False

    def send_400_response(self, msg: str) -> None:
        """The answer to what is no request."""
        self._refuse(BadRequestError("what was sent is not an HTTP/1.1 request", field="head"))

    def _refuse(self, error: ServerError) -> None:
        body = orjson.dumps(error_body(error))
        head = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: application/json\r\n"
        end = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write((head + end).encode() + body)
        self.transport.close()


class Patience:
    """Hangs up on callers who, for `limit` seconds, neither finish what they say nor read what they asked for.

    Connections that are kept for another request are uvicorn's to close.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._waits: dict[Any, tuple[object, float]] = {}

    def look(self, connections: Iterable[Any], now: float | None = None) -> None:
        """To be called now and then, with all connections there are."""
        now = time.monotonic() if now is None else now
        marks = {connection: _mark(connection) for connection in connections}
        waits, before = {}, self._waits
        for connection, mark in marks.items():
            if mark is not None:
                known = before.get(connection)
                waits[connection] = known if known and known[0] == mark else (mark, now)
        self._waits = waits
        for connection, (_, since) in waits.items():
            if now - since > self._limit:
                connection.transport.abort()


def idle(connection: Any) -> bool:
    """Whether no request of this connection is being answered."""
    return connection.cycle is None or connection.cycle.response_complete


def speaking(connection: Any) -> bool:
    """Whether an idle connection's caller has just sent something that nobody has read yet."""
    if not idle(connection) or connection.transport.is_closing():
        return False
    polled = select.poll()  # select takes no file above 1023
    polled.register(connection.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(polled.poll(0))


def last_callers(door: socket.socket) -> Iterator[socket.socket]:
    """Whoever waits before a listener that nobody else accepts from, which is closed in the moment when nobody does:
    those that the kernel has connected and nobody has accepted would be hung up on.
    """
    door.setblocking(False)
    with door, suppress(OSError):  # nobody is left
        while True:
            yield door.accept()[0]


def _mark(connection: Any) -> object:
    """What must change for the caller to have got on; None while it's the server's turn, or nobody's."""
    cycle, unread = connection.cycle, connection.transport.get_write_buffer_size()
    begun = cycle is None or (cycle.response_complete and (connection.head or cycle.more_body))
    return (cycle, unread) if unread or begun else None
