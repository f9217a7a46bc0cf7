"""What every request passes on its way in and out, the outermost first; plain ASGI throughout."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from functools import partial
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lampion_server.dataplane import DataPlane
from lampion_server.errors import ClientGoneError, TooLargeError

access = logging.getLogger("lampion_server.access")
Note = Callable[[Scope, int, float], None]
_REQUEST_ID = re.compile(rb"[\w.-]{1,128}")


def wrapped(app: ASGIApp, plane: DataPlane) -> ASGIApp:
    """`app` inside all of the middleware."""
    layers: list[Callable[[ASGIApp], ASGIApp]] = [
        RequestId,
        partial(Watch, note=log_access),
        partial(Watch, note=partial(count_request, plane)),
        partial(BodyLimit, limit=plane.settings.max_body_bytes),
    ]
    for layer in reversed(layers):
        app = layer(app)
    return app


class RequestId:
    """Gives each request an id, the caller's own if it sent a decent one, and returns it as X-Request-Id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # A random start and a counter: a system call per request would cost more than all the rest of this class.
        start = os.urandom(4).hex()
        self.fresh = (f"{start}-{number}".encode() for number in count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = _header(scope, b"x-request-id")
        request_id = given if _REQUEST_ID.fullmatch(given) else next(self.fresh)
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        return await self.app(scope, receive, send_with_id)


class Watch:
    """Calls `note(scope, status, seconds)` after each request; one whose caller left has status 499."""

    def __init__(self, app: ASGIApp, note: Note) -> None:
        self.app = app
        self.note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = time.monotonic(), ClientGoneError.status

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            self.note(scope, status, time.monotonic() - started)


class BodyLimit:
    """Refuses a body of more than `limit` bytes: at once if its length is announced, else when it has grown so far.

    The answer doesn't close the connection, so that a caller who is still sending gets to read it; what comes after
    is thrown away as it arrives.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced, taken = int(_header(scope, b"content-length") or 0), 0

        async def limited() -> Message:
            nonlocal taken
            if announced > self.limit:
                raise self._refusal(f"{announced} bytes")
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limit:
                raise self._refusal("more")
            return message

        await self.app(scope, limited, send)

    def _refusal(self, got: str) -> TooLargeError:
        message = f"the body: expected at most {self.limit} bytes, got {got}"
        return TooLargeError(message, field="body", hint="the server's --max-body-bytes sets the limit")


def log_access(scope: Scope, status: int, seconds: float) -> None:
    """One line per request."""
    request_id, path = scope["state"]["request_id"], scope["raw_path"].decode("latin-1")  # raw: no line breaks in it
    access.info("%s %s %d %.1f ms %s", scope["method"], path, status, 1000 * seconds, request_id)


def count_request(plane: DataPlane, scope: Scope, status: int, seconds: float) -> None:
    """Metrics of one request; names of models that don't exist are not kept, or callers could grow them without end."""
    model = scope.get("path_params", {}).get("model", "")
    plane.metrics.request(model if model in plane.repository.names() else "", status, seconds)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope.get("headers", ()) if key == name), b"")
