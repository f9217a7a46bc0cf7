"""Who asks through a proxy: told by its headers, if it is trusted."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_TOLD = (b"x-forwarded-for", b"x-forwarded-proto")


class Forwarded:
    """uvicorn's layer for proxies' headers, around those requests that have some: most come without, and are quicker so."""

    def __init__(self, app: ASGIApp, trusted: str) -> None:
        self.app = app
        self.told = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]  # uvicorn's own idea of ASGI's types

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        for name, _ in scope.get("headers", ()):
            if name in _TOLD:
                return self.told(scope, receive, send)  # type: ignore[arg-type]
        return self.app(scope, receive, send)
