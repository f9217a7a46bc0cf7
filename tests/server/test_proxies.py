"""Proxies' headers, beside uvicorn's own layer for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from lampion_server.proxies import Forwarded

Headers = list[tuple[bytes, bytes]]
FOR, PROTO = (b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-proto", b"https")


def seen(layer: type, trusted: str, scope: dict[str, Any]) -> dict[str, Any]:
    """The scope as the application gets it."""
    got: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        got.append(scope)

    async def ask() -> None:
        await layer(app, trusted)(scope, None, None)

    asyncio.run(ask())
    (only,) = got
    return only


@pytest.mark.parametrize("trusted", ["127.0.0.1", "10.0.0.1", "*"])
@pytest.mark.parametrize("headers", [[], [(b"host", b"here")], [FOR], [(b"host", b"here"), PROTO], [PROTO, FOR, FOR]])
def test_the_application_sees_what_uvicorn_would_show_it(trusted: str, headers: Headers) -> None:
    def scope() -> dict[str, Any]:
        return {"type": "http", "client": ("127.0.0.1", 5), "scheme": "http", "headers": list(headers)}

    shown = seen(Forwarded, trusted, scope())
    assert shown == seen(ProxyHeadersMiddleware, trusted, scope())
    believed = FOR in headers and trusted != "10.0.0.1"
    assert shown["client"][0] == ("192.0.2.1" if believed else "127.0.0.1")


def test_what_has_no_headers_passes() -> None:
    assert seen(Forwarded, "*", {"type": "lifespan"}) == {"type": "lifespan"}
