"""The small tools of the routes: reading a body, answering, and noticing that the caller has left."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from lampion_server.caller import Caller, Priority
from lampion_server.compression import LEAST, MUCH, chosen, compressed, decompressed
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
log = logging.getLogger(__name__)


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer in JSON; numpy arrays may be part of it."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def error_response(error: Exception, request: Request) -> Response:
    """The answer to a request that failed; what isn't meant for the caller goes to the log, with the request's id."""
    told = as_server_error(error)
    if told.status == 500:
        request_id = request.scope.get("state", {}).get("request_id")
        log.error("%s %s failed, request id %s", request.method, request.url.path, request_id, exc_info=error)
    return json_response(error_body(told), told.status, told.headers())


def caller_of(request: Request) -> Caller:
    """Who asks: the request's id, its deadline from X-Request-Timeout (seconds from now), its X-Priority.

    Raises `BadRequestError` for a header that can't be understood.
    """
    headers, request_id = request.headers, request.scope.get("state", {}).get("request_id", "")
    timeout, priority = headers.get("x-request-timeout"), headers.get("x-priority")
    if timeout is None and priority is None:
        return Caller(request_id)
    deadline = None if timeout is None else time.monotonic() + _timeout(timeout)
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
    try:
        async with asyncio.timeout(settings.request_timeout):
            body = await request.body()
    except TimeoutError:
        raise RequestTimeoutError(f"the body was not there within {settings.request_timeout:.3g} s") from None
    except ClientDisconnect:
        raise ClientGoneError("the caller left while sending") from None
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    return await _beside(len(body) > MUCH, decompressed, body, encoding, settings.max_body_bytes)


def known(request: Request, etag: str) -> bool:
    """Whether the caller has what this ETag names, by its If-None-Match."""
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in tags or "*" in tags


async def packed(response: Response, request: Request) -> Response:
    """The answer in the format that the caller accepts, if it is long enough to gain by that."""
    if isinstance(response, FileResponse) or len(response.body) < LEAST or "content-encoding" in response.headers:
        return response
    if (encoding := chosen(request.headers.get("accept-encoding", ""))) is None:
        return response
    response.body = await _beside(len(response.body) > MUCH, compressed, bytes(response.body), encoding)
    response.headers["content-length"] = str(len(response.body))
    response.headers["content-encoding"] = encoding
    response.headers["vary"] = "Accept-Encoding"
    return response


async def _beside(much: bool, work: Callable[P, bytes], *args: P.args, **kwargs: P.kwargs) -> bytes:
    """Do work in a thread if it is much; below that the thread would cost more."""
    return await asyncio.to_thread(work, *args, **kwargs) if much else work(*args, **kwargs)


@asynccontextmanager
async def while_connected(request: Request) -> AsyncIterator[None]:
    """Cancel what the block awaits when the caller hangs up; the body must have been read before."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
        raise ClientGoneError("the caller left before the answer was there") from None
    finally:
        watcher.cancel()


def server_timing(**seconds: float) -> str:
    """The value of a `Server-Timing` header, which browsers and tools show: milliseconds by stage."""
    return ", ".join(f"{stage};dur={1000 * value:.3f}" for stage, value in seconds.items())


def no_route(error: HTTPException, request: Request, served: list[str]) -> ServerError:
    """What the router means by `error`, with the names of the models that are served."""
    method, path = request.method, request.url.path
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "").split(", ")
        return MethodNotAllowedError(f"{path} expects {' or '.join(allowed)}, got {method}", allowed=allowed)
    if error.status_code == 404:
        names = ", ".join(served) or "none"
        return NotFoundError(f"there is no route {path:.200}; models served: {names}", hint="/docs lists the routes")
    return BadRequestError(str(error.detail))
