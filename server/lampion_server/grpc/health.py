"""gRPC's standard health service: the server's readiness, and that of each model under its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from lampion_server.dataplane import DataPlane
from lampion_server.errors import NotFoundError, UnavailableError
from lampion_server.grpc.schema import SERVICE

NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers from the plane at the moment of asking; a watcher hears of a change within `every` seconds."""

    every = 0.5

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  (the protocol's name)
        """The state now; NOT_FOUND for a name that is neither empty, nor the service, nor a model."""
        state = self._state(request.service)
        if state == UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service or model {request.service!r:.80}")
        return health_pb2.HealthCheckResponse(status=state)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """The state now and after each change, until the caller leaves or the server ends."""
        told, last = None, False
        while not last:
            last = self.plane.draining
            if (state := self._state(request.service)) != told:
                yield health_pb2.HealthCheckResponse(status=state)
                told = state
            await asyncio.sleep(0 if last else self.every)

    def _state(self, service: str) -> Any:
        try:
            if service in ("", SERVICE):
                self.plane.check_ready()
            else:
                self.plane.ready(service)
        except NotFoundError:
            return UNKNOWN
        except UnavailableError:
            return NOT_SERVING
        return NOT_SERVING if self.plane.draining else SERVING
