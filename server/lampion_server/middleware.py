"""What every request passes on its way in and out, the outermost first; plain ASGI throughout.

A layer that only changes what is passed on returns the awaitable of the next one, instead of awaiting it itself.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count

import orjson
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lampion_server.dataplane import DataPlane
from lampion_server.errors import BadRequestError, ClientGoneError, TooLargeError, error_body
from lampion_server.settings import Settings
from lampion_server.tracing import Traces

access = logging.getLogger("lampion_server.access")
Note = Callable[[Scope, int, float], None]
_PRIVATE_NETWORK = b"access-control-request-private-network"
REQUEST_ID = re.compile(rb"[\w.-]{1,128}")


def wrapped(app: ASGIApp, plane: DataPlane) -> ASGIApp:
    """`app` inside all of the middleware."""
    layers: list[Callable[[ASGIApp], ASGIApp]] = [
        partial(Envelope, notes=[log_access, partial(count_request, plane)]),
        *([partial(Trace, traces=plane.traces)] if plane.traces else []),
        *cors(plane.settings),
        Head,
        partial(BodyLimit, limit=plane.settings.max_body_bytes),
    ]
    for layer in reversed(layers):
        app = layer(app)
    return app


def fresh_ids() -> Iterator[bytes]:
    """Ids for requests: a random start and a counter, since a system call for each would cost more than all the rest here."""
    start = os.urandom(4).hex()
    return (f"{start}-{number}".encode() for number in count(1))


class Envelope:
    """Gives each request an id, the caller's own if it sent a decent one, and returns it as X-Request-Id.

    Beside it, Server-Timing tells the milliseconds of the answer's stages, and from the request's arrival to the answer's
    first byte. After it, `notes` are told the status and the seconds; a request whose caller left has status 499.
    """

    def __init__(self, app: ASGIApp, notes: Sequence[Note]) -> None:
        self.app = app
        self.notes = notes
        self.fresh = fresh_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        scope["headers_by_name"] = dict(reversed(scope["headers"]))  # once for all who ask; of several the first counts
        given = scope["headers_by_name"].get(b"x-request-id")
        request_id = given if given and REQUEST_ID.fullmatch(given) else next(self.fresh)
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        started, status = time.monotonic(), ClientGoneError.status

        def enveloped(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                timing = server_timing(scope.get("stages"), time.monotonic() - started)
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), (b"server-timing", timing)]
            return send(message)

        try:
            await self.app(scope, receive, enveloped)
        finally:
            seconds = time.monotonic() - started
            for note in self.notes:
                note(scope, status, seconds)


def server_timing(stages: Mapping[str, float] | None, total: float) -> bytes:
    """The value of a `Server-Timing` header, which browsers and tools show: milliseconds by stage."""
    told = "".join([f"{stage};dur={1000 * value:.3f}, " for stage, value in stages.items()]) if stages else ""
    return f"{told}total;dur={1000 * total:.3f}".encode()


def cors(settings: Settings) -> list[Callable[[ASGIApp], ASGIApp]]:
    """Lets web pages of the origins in the settings ask, and read what is answered; nothing without any."""
    if not settings.cors_origins:
        return []
    told = ["X-Request-Id", "Server-Timing", "Retry-After", "Inference-Header-Content-Length", "ETag"]
    origins, every = list(settings.cors_origins), ["*"]
    options = {"allow_methods": every, "allow_headers": every, "expose_headers": told, "max_age": 3600}
    return [partial(WebPages, allow_origins=origins, **options)]  # type: ignore[arg-type]


class WebPages(CORSMiddleware):
    """CORS, whose refusals are errors as all others are, and whose pages may come from outside of a private network."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """What a browser gets that asks whether a page may ask."""
        others = [(name, value) for name, value in request_headers.raw if name != _PRIVATE_NETWORK]
        answer = super().preflight_response(Headers(raw=others))
        if answer.status_code == 200:
            if len(others) < len(request_headers):
                answer.headers["Access-Control-Allow-Private-Network"] = "true"
            return answer
        method, origin = request_headers["access-control-request-method"], request_headers["origin"]
        message = f"{method:.20} from pages of {origin:.80} is not allowed here"
        error = BadRequestError(message, field="Origin", hint="the server's --cors-origins lists whose pages may ask")
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return Response(orjson.dumps(error_body(error)), error.status, headers, "application/json")


class Trace:
    """A span for each request, with what it was about and how it ended."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self.app = app
        self.traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        attributes = {
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "lampion.request_id": scope["state"]["request_id"],
        }
        with self.traces.request(scope["method"], headers, attributes) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        self.traces.failed(span, str(status))
                await send(message)

            await self.app(scope, receive, watched)
            if route := route_of(scope):
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
        return None


class Head:
    """Answers HEAD like GET, without the body: load balancers and monitors ask so whether a server lives."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return self.app(scope, receive, send)

        def bodiless(message: Message) -> Awaitable[None]:
            return send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        return self.app({**scope, "method": "GET"}, receive, bodiless)


class BodyLimit:
    """Refuses a body of more than `limit` bytes: at once if its length is announced, else when it has grown so far.

    The answer doesn't close the connection, so that a caller who is still sending gets to read it; what comes after
    is thrown away as it arrives.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self.app(scope, receive, send)
        announced, taken = int(scope["headers_by_name"].get(b"content-length", -1)), 0
        if 0 <= announced <= self.limit:  # a body can't be longer than it says
            return self.app(scope, receive, send)

        async def limited() -> Message:
            nonlocal taken
            if announced > self.limit:
                raise self._refusal(f"{announced} bytes")
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limit:
                raise self._refusal("more")
            return message

        return self.app(scope, limited, send)

    def _refusal(self, got: str) -> TooLargeError:
        message = f"the body: expected at most {self.limit} bytes, got {got}"
        return TooLargeError(message, field="body", hint="the server's --max-body-bytes sets the limit")


def log_access(scope: Scope, status: int, seconds: float) -> None:
    """One line per request."""
    if not access.isEnabledFor(logging.INFO):
        return
    request_id, path = scope["state"]["request_id"], scope["raw_path"].decode("latin-1")  # raw: no line breaks in it
    milliseconds = round(1000 * seconds, 1)
    fields = {"method": scope["method"], "path": path, "status": status, "ms": milliseconds, "request_id": request_id}
    access.info("%s %s %d %.1f ms %s", *fields.values(), extra={"fields": fields})


def count_request(plane: DataPlane, scope: Scope, status: int, seconds: float) -> None:
    """Metrics of one request; names of models that don't exist are not kept, or callers could grow them without end."""
    model = scope.get("path_params", {}).get("model", "")
    plane.metrics.request(model if plane.repository.serves(model) else "", status, seconds)


def route_of(scope: Scope) -> str:
    """The path with the names of its parameters in place of their values; empty where no route was found."""
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    found = names or "endpoint" in scope
    return "/".join(names.get(part, part) for part in scope["path"].split("/")) if found else ""
