"""Who asks, and how urgently: what accompanies a request through the whole server, whatever transport brought it."""

from __future__ import annotations

from contextvars import ContextVar
from enum import IntEnum
from typing import NamedTuple

from lampion_server.errors import BadRequestError


class Priority(IntEnum):
    """Whose turn it is first; BACKGROUND is the server's own work: warming up, measuring, shadows."""

    HIGH = -1
    NORMAL = 0
    LOW = 1
    BACKGROUND = 2

    @classmethod
    def parse(cls, text: str, field: str = "priority") -> Priority:
        """The priority a caller names: high, normal or low. Raises `BadRequestError`."""
        known = {"high": cls.HIGH, "normal": cls.NORMAL, "low": cls.LOW}
        if text.lower() not in known:
            raise BadRequestError(f"{field}: expected {', '.join(known)}, got {text!r:.40}", field=field)
        return known[text.lower()]


class Caller(NamedTuple):
    """The caller's id for the request, its deadline (of `time.monotonic`, None without) and its priority."""

    request_id: str = ""
    deadline: float | None = None
    priority: Priority = Priority.NORMAL


# A context variable, because it concerns the two ends of the server and nothing between them.
NOBODY = Caller()
CALLER: ContextVar[Caller] = ContextVar("caller", default=NOBODY)
