"""The one error tree of the server, and the one place where any exception becomes an answer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

from lampion_edge import ImageError, InputError, RunError, SoundError


class ServerError(Exception):
    """What a caller is told: a sentence, the field it is about, and a hint what to do; each class knows its status.

    ```
    ServerError                    500  INTERNAL (details in the log only)
    ├── BadRequestError            400  BAD_REQUEST (also for a photo that can't be decoded)
    ├── UnauthorizedError          401  UNAUTHORIZED, with WWW-Authenticate
    ├── ForbiddenError             403  FORBIDDEN
    ├── NotFoundError              404  NOT_FOUND
    ├── MethodNotAllowedError      405  METHOD_NOT_ALLOWED
    ├── RequestTimeoutError        408  REQUEST_TIMEOUT (the body did not arrive in time)
    ├── TooLargeError              413  TOO_LARGE
    ├── UnsupportedMediaTypeError  415  UNSUPPORTED_MEDIA_TYPE
    ├── TooManyRequestsError       429  TOO_MANY_REQUESTS, with Retry-After
    ├── HeadTooLargeError          431  HEAD_TOO_LARGE
    ├── ClientGoneError            499  CLIENT_GONE (the caller left: only the log sees it)
    ├── ModelFailedError           500  MODEL_FAILED (the model accepts the inputs, then fails on them)
    ├── UnsupportedError           501  UNSUPPORTED
    ├── UnavailableError           503  UNAVAILABLE (not loaded, or shutting down)
    │   └── OverloadedError        503  OVERLOADED, with Retry-After
    ├── DeadlineExceededError      504  DEADLINE_EXCEEDED
    └── StartupError               `lampion serve` can't start; no client ever sees it
    ```
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint

    def headers(self) -> dict[str, str]:
        """The HTTP headers that belong to this error."""
        return {}


class BadRequestError(ServerError):
    """The request is malformed, or doesn't fit the model."""

    status = 400
    code = "BAD_REQUEST"


class UnauthorizedError(ServerError):
    """The request has no API key, or one that is not known."""

    status = 401
    code = "UNAUTHORIZED"

    def headers(self) -> dict[str, str]:
        """`WWW-Authenticate`, as HTTP asks for with a 401."""
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(ServerError):
    """The API key doesn't allow this."""

    status = 403
    code = "FORBIDDEN"


class NotFoundError(ServerError):
    """No such route, model or version."""

    status = 404
    code = "NOT_FOUND"


class MethodNotAllowedError(ServerError):
    """The route exists, but not for this verb."""

    status = 405
    code = "METHOD_NOT_ALLOWED"

    def __init__(self, message: str, *, allowed: Iterable[str]) -> None:
        super().__init__(message)
        self.allowed = sorted(allowed)

    def headers(self) -> dict[str, str]:
        """`Allow`, as HTTP asks for with a 405."""
        return {"Allow": ", ".join(self.allowed)}


class RequestTimeoutError(ServerError):
    """The request's body did not arrive in time."""

    status = 408
    code = "REQUEST_TIMEOUT"

    def headers(self) -> dict[str, str]:
        """The end of the connection: what it is in the middle of may never come."""
        return {"Connection": "close"}


class TooLargeError(ServerError):
    """The request's body exceeds the limit."""

    status = 413
    code = "TOO_LARGE"


class UnsupportedMediaTypeError(ServerError):
    """The body is in an encoding the server doesn't read."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class TooManyRequestsError(ServerError):
    """The caller asks more often than it may; `retry_after` are the seconds until it may again."""

    status = 429
    code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, hint=f"try again in {max(1, math.ceil(retry_after))} s")
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, at least one."""
        return {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class HeadTooLargeError(ServerError):
    """The request's line and headers exceed the limit."""

    status = 431
    code = "HEAD_TOO_LARGE"


class ClientGoneError(ServerError):
    """The caller hung up before the answer was there; the status is the one nginx logs for it."""

    status = 499
    code = "CLIENT_GONE"


class ModelFailedError(ServerError):
    """The model failed while it computed, which may be these inputs' fault or the model's."""

    code = "MODEL_FAILED"


class UnsupportedError(ServerError):
    """The request is well formed, but asks for something this server doesn't do."""

    status = 501
    code = "UNSUPPORTED"


class UnavailableError(ServerError):
    """The model or the server can't answer now. `moved_out` names a model that could if it was loaded again."""

    status = 503
    code = "UNAVAILABLE"
    moved_out: str | None = None


class OverloadedError(UnavailableError):
    """The queue is full; `retry_after` is the measured time in seconds until it should have room."""

    code = "OVERLOADED"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message, hint=f"try again in {max(1, math.ceil(retry_after))} s")
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, at least one."""
        return {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class DeadlineExceededError(ServerError):
    """The answer was not there in time."""

    status = 504
    code = "DEADLINE_EXCEEDED"


class StartupError(ServerError):
    """`lampion serve` can't start; its message and its hint are what is printed."""


def as_server_error(error: BaseException) -> ServerError:
    """`error` as a caller may see it: ours as it is, edge's as 400 or 500, anything else without details."""
    if isinstance(error, ServerError):
        return error
    if isinstance(error, ImageError | InputError | SoundError):
        return BadRequestError(str(error), field=error.field, hint=error.hint)
    if isinstance(error, RunError):
        return ModelFailedError(str(error), field=error.field, hint=error.hint)
    return ServerError("the server failed on this request; its log says why, under the request id of this answer")


def error_body(error: ServerError) -> dict[str, str | None]:
    """The JSON object of an error: what happened, its code, the request's field, what to do."""
    return {"error": str(error), "code": error.code, "field": error.field, "hint": error.hint}
