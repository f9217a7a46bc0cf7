"""Who may ask, and how often: the same for every transport."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from lampion_server.errors import ForbiddenError, TooManyRequestsError, UnauthorizedError
from lampion_server.keys import KeyRing
from lampion_server.settings import Settings

OPEN = ""  # the scope of what everybody may ask: whether the server lives
_HINT = "send the header Authorization: Bearer KEY"


class Access:
    """Checks a caller's key and rate, as the settings want it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = KeyRing(settings.keys) if settings.keys else None
        self._rates = Rates(settings.rate_limit / settings.workers, clock) if settings.rate_limit else None

    @property
    def asks(self) -> bool:
        """Whether anything is checked at all."""
        return self._keys is not None or self._rates is not None

    def admit(self, scope: str, token: str | None, address: str) -> None:
        """Lets the caller in, or raises `UnauthorizedError`, `ForbiddenError` or `TooManyRequestsError`."""
        if scope == OPEN:
            return
        who = self._who(scope, token) if self._keys else address
        if self._rates:
            self._rates.count(who)

    def _who(self, scope: str, token: str | None) -> str:
        assert self._keys is not None
        if not token:
            raise UnauthorizedError("expected an API key, got none", hint=_HINT)
        key = self._keys.find(token)
        if key is None:
            raise UnauthorizedError("this API key is not known here", hint=_HINT)
        if scope not in key.scopes:
            raise ForbiddenError(f"key {key.name!r}: expected scope {scope}, it has {', '.join(key.scopes) or 'none'}")
        return key.name


def bearer(authorization: str, api_key: str) -> str | None:
    """The key in the header Authorization, or else in X-API-Key."""
    kind, _, token = authorization.partition(" ")
    return (token.strip() if kind.lower() == "bearer" else "") or api_key or None


class Rates:
    """So many requests a second for each caller, up to a second's worth at once; remembers the last `callers` of them.

    The generic cell rate algorithm (ITU-T I.371): one time per caller, the moment when its next request would be due.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic, callers: int = 10_000) -> None:
        self._gap = 1 / per_second
        self._burst = max(1.0, self._gap)
        self._clock = clock
        self._callers = callers
        self._due: OrderedDict[str, float] = OrderedDict()

    def count(self, who: str) -> None:
        """One request of `who`. Raises `TooManyRequestsError`, and doesn't count it then."""
        now = self._clock()
        due = max(now, self._due.get(who, now))
        if due + self._gap > now + self._burst + 1e-9:
            wait = due + self._gap - now - self._burst
            raise TooManyRequestsError(f"more than {1 / self._gap:g} requests a second", retry_after=wait)
        self._due[who] = due + self._gap
        self._due.move_to_end(who)
        if len(self._due) > self._callers:
            self._due.popitem(last=False)
