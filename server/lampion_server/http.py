"""The small tools of the routes: reading a body, answering, and noticing that the caller has left."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from lampion_server.caller import Caller, Priority
from lampion_server.compression import LEAST, MUCH, chosen, compressed, decompressed
from lampion_server.ending import Ending, Within, sweep, unless_done
from lampion_server.errors import (
    BadRequestError,
    ClientGoneError,
    MethodNotAllowedError,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    as_server_error,
    error_body,
)
from lampion_server.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
_NONE = "none"  # no header, which is something else than an empty one
log = logging.getLogger(__name__)


class Reply(Response):
    """A Response that is put together with less ado: the body is there as bytes, the headers come as they are."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str] = {}, status: int = 200) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", media_type.encode())]
        for name, value in headers.items():
            self.raw_headers.append((name.lower().encode(), value.encode("latin-1")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Response:
    """An answer in JSON; numpy arrays may be part of it."""
    return Reply(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), "application/json", headers, status)


def error_response(error: Exception, request: Request) -> Response:
    """The answer to a request that failed; what isn't meant for the caller goes to the log, with the request's id."""
    told = as_server_error(error)
    if told.status == 500:
        request_id = request.scope.get("state", {}).get("request_id")
        log.error("%s %s failed, request id %s", request.method, request.url.path, request_id, exc_info=error)
    return json_response(error_body(told), told.status, told.headers() | _unasked(request))


def _unasked(request: Request) -> dict[str, str]:
    """A caller that waits to be asked for the body, and is refused, may send the body or not: there is no going on."""
    waits = "body" not in request.scope and header(request, b"expect").lower() == "100-continue"
    return {"Connection": "close"} if waits else {}


def caller_of(request: Request) -> Caller:
    """Who asks: the request's id, its deadline from X-Request-Timeout (seconds from now), its X-Priority.

    Raises `BadRequestError` for a header that can't be understood.
    """
    request_id = request.scope.get("state", {}).get("request_id", "")
    timeout, priority = header(request, b"x-request-timeout", _NONE), header(request, b"x-priority")
    if timeout is _NONE and not priority:
        return Caller(request_id)
    deadline = None if timeout is _NONE else time.monotonic() + _timeout(timeout)
    return Caller(request_id, deadline, Priority.parse(priority, "X-Priority") if priority else Priority.NORMAL)


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        message = f"X-Request-Timeout: expected a number of seconds above 0, got {text!r:.40}"
        raise BadRequestError(message, field="X-Request-Timeout")
    return seconds


async def read_body(request: Request, settings: Settings) -> bytes:
    """The whole body, without its Content-Encoding.

    Raises `RequestTimeoutError`, `ClientGoneError`, `TooLargeError` from the body limit, and what `decompressed` raises.
    """
    limit = settings.request_timeout
    body: bytes | None = request.scope.get("body")  # read before: this is the second attempt to answer
    if body is None:
        body = request.scope["body"] = await unless_done(
            _received(request), lambda: Within(limit, lambda: _late(limit))
        )
    encoding = header(request, b"content-encoding").strip().lower().removeprefix("x-")  # x-gzip is an old name
    if encoding in ("", "identity"):
        return body
    return await beside(len(body) > MUCH, decompressed, body, encoding, settings.max_body_bytes)


def _late(limit: float) -> RequestTimeoutError:
    return RequestTimeoutError(f"the body was not there within {limit:.3g} s")


async def _received(request: Request) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the caller left while sending")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def header(request: Request, name: bytes, default: str = "") -> str:
    """A header by its name in lower case; Starlette's own way costs a tenth of a small model's whole answer."""
    value = request.scope["headers_by_name"].get(name)
    return default if value is None else str(value, "latin-1")


def known(request: Request, etag: str) -> bool:
    """Whether the caller has what this ETag names, by its If-None-Match."""
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in tags or "*" in tags


def may_pack(response: Response) -> bool:
    """Whether an answer is long enough to gain by compression, and isn't compressed already."""
    if isinstance(response, FileResponse):
        return False
    return len(response.body) >= LEAST and "content-encoding" not in response.headers


async def packed(response: Response, request: Request) -> Response:
    """The answer in the format that the caller accepts."""
    if (encoding := chosen(header(request, b"accept-encoding"))) is None:
        return response
    response.body = await beside(len(response.body) > MUCH, compressed, bytes(response.body), encoding)
    response.headers["content-length"] = str(len(response.body))
    response.headers["content-encoding"] = encoding
    response.headers["vary"] = "Accept-Encoding"
    return response


async def beside(much: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do work in a thread if it is much; below that the thread would cost more."""
    return await asyncio.to_thread(work, *args, **kwargs) if much else work(*args, **kwargs)


class WhileConnected(Ending):
    """Ends the block with `ClientGoneError` when the caller hangs up; the body must have been read before."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._receive = request.receive
        self._watcher: asyncio.Task[None] | None = None
        self._sweep = sweep()  # most answers are there before a watcher would have been worth its cost
        self._sweep.add(self._begin)

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        # A task that was cancelled keeps the error, whose frames keep the task and the request with its body: a circle
        # that lasts until garbage is looked for.
        with suppress(asyncio.CancelledError):
            while (await self._receive())["type"] != "http.disconnect":
                pass
            self.end(ClientGoneError("the caller left before the answer was there"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sweep.discard(self._begin)
        if self._watcher is not None:
            self._watcher.cancel()
        super().__exit__(kind, error, at)


NOT_FOR_LONG = nullcontext()  # in place of `WhileConnected`, where the answer is there before anybody could leave


def took(request: Request, **seconds: float) -> None:
    """What the answer's `Server-Timing` is to tell of its stages."""
    request.scope["stages"] = seconds


def no_route(error: HTTPException, request: Request, served: list[str]) -> ServerError:
    """What the router means by `error`, with the names of the models that are served."""
    method, path = request.method, request.url.path
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "").split(", ")
        return MethodNotAllowedError(f"{path} expects {' or '.join(allowed)}, got {method}", allowed=allowed)
    if error.status_code == 404:
        names, plain = ", ".join(served) or "none", "/" + "/".join(filter(None, path.split("/")))
        hint = "/docs lists the routes" if plain == path else f"paths have no empty parts: {plain:.200}"
        return NotFoundError(f"there is no route {path:.200}; models served: {names}", hint=hint)
    return BadRequestError(str(error.detail))
