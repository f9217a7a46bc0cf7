"""The application: the route table inside the middleware, with the hot routes beside FastAPI instead of in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from lampion_server.access import OPEN, bearer
from lampion_server.caller import CALLER
from lampion_server.dataplane import DataPlane
from lampion_server.errors import UnavailableError
from lampion_server.http import caller_of, error_response, header, may_pack, no_route, packed
from lampion_server.metadata import release
from lampion_server.middleware import wrapped
from lampion_server.openapi import Documented, answers, operation
from lampion_server.routes import ROUTES, Route, metrics
from lampion_server.watching import watched

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(plane: DataPlane) -> ASGIApp:
    """The whole server as an ASGI application; its lifespan closes `plane` at the end."""
    return wrapped(HotRoutes(plane, _fastapi(plane)), plane)


class HotRoutes:
    """Answers the hot routes itself (a match, a handler, nothing between) and leaves the rest to `app`."""

    def __init__(self, plane: DataPlane, app: ASGIApp) -> None:
        self.app = app
        hot = [route for route in ROUTES if route.hot]
        self.routes = [(route.method, compile_path(route.path)[0], _endpoint(route, plane)) for route in hot]
        self._found = lru_cache(1024)(self._find)  # few paths, asked very often

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._found(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if found is None:
            return await self.app(scope, receive, send)
        endpoint, parameters = found
        scope["path_params"] = dict(parameters)
        response = await endpoint(Request(scope, receive, send))
        return await response(scope, receive, send)

    def _find(self, wanted: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        for method, pattern, endpoint in self.routes:
            if method == wanted and (match := pattern.match(path)):
                return endpoint, match.groupdict()
        return None


def _endpoint(route: Route, plane: DataPlane) -> Endpoint:
    """The one place where an exception becomes an answer."""

    async def endpoint(request: Request) -> Response:
        try:
            if plane.access.asks:
                plane.access.admit(_scope(route, plane), _token(request), request.client.host if request.client else "")
            CALLER.set(caller_of(request))
            try:
                answer = await route.handler(request, plane)
            except UnavailableError as error:
                await plane.bring_back(error)
                answer = await route.handler(request, plane)
            return await packed(answer, request) if may_pack(answer) else answer
        except asyncio.CancelledError:
            if not plane.draining:
                raise
            late = UnavailableError("the server is shutting down, and could not wait for this answer any longer")
            return error_response(late, request)
        except Exception as error:
            return error_response(error, request)

    return endpoint


def _scope(route: Route, plane: DataPlane) -> str:
    return OPEN if route.handler is metrics and plane.settings.open_metrics else route.scope


def _token(request: Request) -> str | None:
    return bearer(header(request, b"authorization"), header(request, b"x-api-key"))


@asynccontextmanager
async def _grpc(plane: DataPlane) -> AsyncIterator[None]:
    """The gRPC server beside the app, where the settings have a port for it; only then its packages are imported."""
    if plane.settings.grpc_port < 0:
        yield
        return
    from lampion_server.grpc import grpc_server

    async with grpc_server(plane) as port:
        plane.grpc_port = port
        yield


def _fastapi(plane: DataPlane) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _grpc(plane), watched(plane):
            yield
        await plane.close()

    async def not_routed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return error_response(no_route(error, request, plane.repository.names()), request)

    async def failed(request: Request, error: Exception) -> Response:
        return error_response(error, request)

    # /docs must work where there is no network, and tell nobody's validator what is served here.
    api = FastAPIOffline(
        title="lampion",
        version=release(),
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
        swagger_ui_parameters={"validatorUrl": None},
    )
    api.add_exception_handler(HTTPException, not_routed)
    api.add_exception_handler(Exception, failed)
    for route in ROUTES:
        api.add_api_route(
            route.path,
            _endpoint(route, plane),
            methods=[route.method],
            summary=route.summary,
            operation_id=f"{route.method} {route.path}",
            tags=["models" if "{model}" in route.path else "server"],
            response_model=None,
            response_class=Response,
            responses=answers(route),
            openapi_extra=operation(route),
        )
    document, with_models = api.openapi, Documented(plane)
    api.openapi = lambda: with_models(document())  # type: ignore[method-assign]
    return api
