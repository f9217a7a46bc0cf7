"""One HTTP/1.1 connection of a load generator: it sends bytes that are ready, and looks at answers no closer than finding
their end takes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_END = b"\r\n\r\n"

Answered = Callable[["Connection", float, int, bytes], None]
Lost = Callable[["Connection", str], None]


class Connection(asyncio.Protocol):
    """Calls `answered(self, due, status, body)` for each answer, and `lost(self, why)` once, when the connection has ended.

    Callbacks and no futures: a generator that costs more than a small model would measure itself.
    """

    def __init__(self, answered: Answered, lost: Lost) -> None:
        self.due: float | None = None  # when the request under way was to be sent; None while there is none
        self.usable = True
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._whole = 0  # bytes of the answer that is arriving, as soon as that is known

    def send(self, request: bytes, due: float) -> None:
        """Asks; at most one request at a time is under way."""
        assert self._transport is not None
        self.due = due
        self._transport.write(request)

    def drop(self) -> None:
        """Ends the connection at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport, which has more methods

    def data_received(self, data: bytes) -> None:
        self._got = self._got + data if self._got else data
        if len(self._got) >= self._whole and (head := self._got.find(_END)) >= 0:
            header = self._got[:head]
            try:
                body = self._body(header, head + len(_END))
            except ValueError:
                self.drop()
            else:
                if body is not None:
                    self._complete(header, body)

    def _body(self, header: bytes, start: int) -> bytes | None:
        """The answer's body, None while it isn't all there. Raises ValueError."""
        if length := _LENGTH.search(header):
            self._whole = start + int(length[1])
            return self._got[start : self._whole] if len(self._got) >= self._whole else None
        return unchunked(self._got, start) if _CHUNKED.search(header) else None

    def eof_received(self) -> None:
        """An answer that didn't tell its length ends here."""
        head = self._got.find(_END)
        if head >= 0 and not self._whole:
            self._complete(self._got[:head], self._got[head + len(_END) :])

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        self._lost(self, str(error) if error else "the server closed the connection")

    def _complete(self, header: bytes, body: bytes) -> None:
        status, due = _STATUS.match(header), self.due
        if status is None or due is None or _CLOSE.search(header):
            self.drop()  # it isn't HTTP, nobody asked, or the server wants it so
        if status is None or due is None:
            return
        self._got, self._whole, self.due = b"", 0, None
        self._answered(self, due, int(status[1]), body)


def unchunked(data: bytes, at: int) -> bytes | None:
    """The body that begins at `at` in chunks (RFC 9112, 7.1), None while its end is missing. Raises ValueError."""
    parts: list[bytes] = []
    while (line := data.find(b"\r\n", at)) >= 0:
        size, start = int(data[at:line].partition(b";")[0], 16), line + 2
        if len(data) < start + size + 2:
            return None
        if not size:
            return b"".join(parts)
        parts.append(data[start : start + size])
        at = start + size + 2
    return None
