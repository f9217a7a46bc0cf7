"""A request and an answer, without sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lampion_edge.errors import EdgeError, ImageError, InputError, RunError, ServiceError, SoundError

CODES = {
    400: "BAD_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    411: "LENGTH_REQUIRED",
    413: "TOO_LARGE",
    500: "INTERNAL",
    501: "UNSUPPORTED",
    503: "UNAVAILABLE",
}


@dataclass(frozen=True)
class Request:
    """What is asked; `names` are the parts of the path that the route left open."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What is told; a body in pieces is sent as they come, until the caller leaves."""

    body: bytes | Generator[bytes] = b""
    kind: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Answer]


@dataclass(frozen=True)
class Route:
    """A line of a table of routes; {name} in the path stands for one part of it."""

    method: str
    path: str
    handler: Handler

    def match(self, path: str) -> dict[str, str] | None:
        """The parts that are left open, None for another path."""
        wanted, got = self.path.split("/"), path.split("/")
        if len(wanted) != len(got):
            return None
        pairs = list(zip(wanted, got, strict=True))
        if any(want != have for want, have in pairs if not want.startswith("{")):
            return None
        return {want[1:-1]: unquote(have) for want, have in pairs if want.startswith("{")}


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """JSON, as the big server writes it; NaN and infinity, which JSON lacks, raise ValueError."""
    return Answer(json.dumps(value, allow_nan=False).encode(), status=status, headers=headers or {})


def find(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route for a path, and what it left open. Raises ServiceError 404 or 405."""
    matches = [(route, names) for route in routes if (names := route.match(path)) is not None]
    for route, names in matches:
        if route.method == ("GET" if method == "HEAD" else method):
            return route, names
    if matches:
        allowed = ", ".join(sorted({route.method for route, _ in matches}))
        raise ServiceError(f"{path}: expected {allowed}, got {method}", status=405)
    paths = ", ".join(dict.fromkeys(route.path for route in routes))
    raise ServiceError(f"{path:.80}: there is no such route", status=404, hint=f"there are {paths}")


def refusal(error: Exception) -> Answer:
    """What a caller is told of an error: what happened, its code, the field, what to do; nothing of what isn't ours."""
    status, code = _status(error)
    known = error if isinstance(error, EdgeError) else EdgeError("the server failed on this request; its log says why")
    body = {"error": str(known), "code": code, "field": known.field, "hint": known.hint}
    after = getattr(error, "retry_after", None)
    return json_answer(body, status, {"Retry-After": str(max(1, round(after)))} if after is not None else {})


def _status(error: Exception) -> tuple[int, str]:
    if isinstance(error, ServiceError) and error.status:
        overloaded = error.status == 503 and error.retry_after is not None
        return error.status, "OVERLOADED" if overloaded else CODES.get(error.status, "INTERNAL")
    if isinstance(error, (ImageError, InputError, SoundError)):
        return 400, CODES[400]
    return 500, "MODEL_FAILED" if isinstance(error, RunError) else CODES[500]
