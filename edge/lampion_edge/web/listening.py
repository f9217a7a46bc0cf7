"""Sockets: connections with limits in number, size and time, each in a thread; an orderly end."""

from __future__ import annotations

import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lampion_edge.errors import EdgeError, ServiceError
from lampion_edge.web.messages import Answer, Request, Route, find, refusal

Told = Callable[[Request | None, int, float], None]


@dataclass(frozen=True)
class Limits:
    """Connections at once, bytes of a body, seconds for a body to arrive, seconds a connection may be silent."""

    connections: int = 16
    body: int = 20 * 2**20
    arrival: float = 30.0
    silence: float = 30.0


class Web:
    """A table of routes at an address. `told` hears of each answer: the request, its status, seconds.

    Port 0 takes a free one; `port` says which. Raises EdgeError if the address can't be had.
    """

    def __init__(
        self, routes: Sequence[Route], host: str, port: int, limits: Limits | None = None, told: Told | None = None
    ) -> None:
        self.routes, self.limits, self.told = routes, limits or Limits(), told
        self.ending = False
        self._connections: set[_Connection] = set()
        self._changed = threading.Condition()
        try:
            self._server = _Server((host, port), _Connection)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise EdgeError(
                f"{host}:{port}: can't listen there ({reason})", hint="take another --port or --host"
            ) from None
        self._server.web = self
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Answers, in threads, until `stop`."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="lampion-web", daemon=True).start()

    def stop(self, grace: float = 5.0) -> bool:
        """Takes no more, and lets what is being answered finish; whether all did within `grace` seconds."""
        self.ending = True
        self._server.shutdown()
        self._server.server_close()
        with self._changed:
            for connection in self._connections:
                if not connection.busy:
                    connection.hang_up()
            return self._changed.wait_for(lambda: not self._connections, grace)

    def enter(self, connection: _Connection) -> bool:
        """Counts a connection in, if there is room."""
        with self._changed:
            if len(self._connections) >= self.limits.connections:
                return False
            self._connections.add(connection)
            return True

    def leave(self, connection: _Connection) -> None:
        """Counts it out."""
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    web: Web

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who left is no news; anything else is."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "lampion-edge", ""
    disable_nagle_algorithm = True
    server: _Server
    command = ""
    busy = False

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.web.limits.silence)

    def handle(self) -> None:
        web = self.server.web
        if not web.enter(self):
            full = ServiceError("too many connections", status=503, retry_after=1.0, hint="try again in 1 s")
            self.requestline, self.request_version = "", "HTTP/1.1"
            self._send(refusal(full), last=True)
            return
        try:
            super().handle()
        finally:
            web.leave(self)

    def hang_up(self) -> None:
        """Ends a connection on which nothing is being asked."""
        try:
            self.connection.shutdown(socket.SHUT_RD)
        except OSError:
            return

    def parse_request(self) -> bool:
        self.busy = True
        return super().parse_request()

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.busy = False
        self.close_connection = self.close_connection or self.server.web.ending

    def handle_expect_100(self) -> bool:
        """Says to go on only where the body will be read."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > self.server.web.limits.body:
            return True
        return super().handle_expect_100()

    def do_GET(self) -> None:  # the names that http.server looks for
        """Answers any method by the table."""
        start, web = time.monotonic(), self.server.web
        url = urlsplit(self.path)
        request: Request | None = Request(self.command, url.path)
        last = True
        try:
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            body = self._body()
            last = self.close_connection
            route, names = find(web.routes, self.command, url.path)
            request = Request(self.command, url.path, query, dict(self.headers.items()), body, names)
            answer = route.handler(request)
        except Exception as error:
            if not isinstance(error, EdgeError):
                traceback.print_exc()
            answer = refusal(error)
            request = request if answer.status not in (404, 405) else None
        self._send(answer, last or web.ending)
        if web.told:
            web.told(request, answer.status, time.monotonic() - start)

    do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815

    def _body(self) -> bytes:
        """The request's body. Raises ServiceError for one too large, too slow, cut off or of unknown length."""
        limits, given = self.server.web.limits, self.headers.get("Content-Length")
        if given is None:
            if self.headers.get("Transfer-Encoding"):
                raise ServiceError("a body in chunks is not read here: send its Content-Length", status=411)
            return b""
        if not given.isdecimal():
            raise ServiceError(f"Content-Length: expected a number of bytes, got {given!r:.40}", status=400)
        if int(given) > limits.body:
            raise ServiceError(f"the body has {int(given):,} bytes, at most {limits.body:,} are taken", status=413)
        parts, left, end = [], int(given), time.monotonic() + limits.arrival
        while left:
            try:
                part = self.rfile.read1(min(left, 2**16))
            except TimeoutError:
                part = None
            except ConnectionError:
                part = b""
            if part == b"":
                raise ServiceError("the body ends before its Content-Length", status=400)
            if part is None or time.monotonic() > end:
                raise ServiceError("the body didn't arrive in time", status=408)
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _send(self, answer: Answer, last: bool) -> None:
        whole = isinstance(answer.body, bytes)
        self.close_connection = last or not whole
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        if isinstance(answer.body, bytes):
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if isinstance(answer.body, bytes):
            self.wfile.write(b"" if self.command == "HEAD" else answer.body)
        else:
            with closing(answer.body) as parts:
                for part in () if self.command == "HEAD" else parts:
                    self.wfile.write(part)
        if last:
            self._linger()

    def _linger(self) -> None:
        """Reads a little of what is still coming: closing at once would reset the connection before the answer is read."""
        end = time.monotonic() + 1.0
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            while time.monotonic() < end and self.connection.recv(2**16):
                pass
        except OSError:
            return

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses (a malformed request line, headers too long), in our words."""
        self.command, self.request_version = self.command or "GET", "HTTP/1.1"
        self._send(replace(refusal(ServiceError(message or "malformed request", status=400)), status=code), last=True)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line for each request wears a card out."""
