"""The gRPC server: the methods behind one error handler, health and reflection beside them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]

from lampion_server.access import OPEN, bearer
from lampion_server.caller import CALLER, Caller, Priority
from lampion_server.dataplane import DataPlane
from lampion_server.errors import (
    BadRequestError,
    ServerError,
    StartupError,
    UnavailableError,
    as_server_error,
    error_body,
)
from lampion_server.grpc.health import NAME as HEALTH
from lampion_server.grpc.health import Health
from lampion_server.grpc.methods import ADMINISTRATION, STREAMS, UNARY, as_message
from lampion_server.grpc.schema import METHODS, POOL, SERVICE, message
from lampion_server.keys import ADMIN, INFER
from lampion_server.middleware import REQUEST_ID, fresh_ids
from lampion_server.settings import Settings

log = logging.getLogger(__name__)
access = logging.getLogger("lampion_server.access")

# Beside the sentence an error carries its code, field and hint, as REST's JSON has them.
ERROR_METADATA, REQUEST_ID_METADATA = "lampion-error-bin", "x-request-id"
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_FRESH = fresh_ids()
Context = grpc.aio.ServicerContext[Any, Any]


@asynccontextmanager
async def grpc_server(plane: DataPlane) -> AsyncIterator[int]:
    """Serve gRPC on the host and the `grpc_port` of the settings while the block lasts; the value is the port taken.

    At the end, what is under way gets `drain_timeout` seconds. Raises `StartupError` if the port can't be taken.
    """
    settings = plane.settings
    options = [("grpc.max_receive_message_length", settings.max_body_bytes), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers([_service(plane)])
    health_pb2_grpc.add_HealthServicer_to_server(Health(plane), server)
    reflection.enable_server_reflection([SERVICE, HEALTH, reflection.SERVICE_NAME], server, POOL)
    try:
        address, credentials = _address(settings.host, settings.grpc_port), _credentials(settings)
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError:
        hint = "choose another --grpc-port (0 takes a free one)"
        raise StartupError(f"can't listen on {settings.host} port {settings.grpc_port}", hint=hint) from None
    await server.start()
    try:
        yield port
    finally:
        await server.stop(settings.drain_timeout)


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """The same certificate that HTTPS shows."""
    if not settings.tls_cert:
        return None
    key, chain = (Path(path).read_bytes() for path in (settings.tls_key, settings.tls_cert))
    authority = Path(settings.tls_client_ca).read_bytes() if settings.tls_client_ca else None
    return grpc.ssl_server_credentials([(key, chain)], authority, require_client_auth=authority is not None)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _service(plane: DataPlane) -> grpc.GenericRpcHandler:
    """The methods; requests reach them as bytes, so that one which is no message fails like any other bad request."""
    handlers: dict[str, Any] = {}
    for method in METHODS:
        name, kind = method.name, message(method.input_type.name)
        if name in STREAMS:
            handlers[name] = grpc.stream_stream_rpc_method_handler(_stream(plane, name, kind), None, _serialized)
        else:
            handlers[name] = grpc.unary_unary_rpc_method_handler(_unary(plane, name, kind), None, _serialized)
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _serialized(response: Any) -> bytes:
    content: bytes = response.SerializeToString()
    return content


def _parsed(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        message = f"the body is no {kind.DESCRIPTOR.name}: {error}"
        raise BadRequestError(message, field="body", hint="is it of another version of the protocol?") from None


def _unary(plane: DataPlane, name: str, kind: Any) -> Any:
    async def call(body: bytes, context: Context) -> Any:
        async with _accounted(plane, name, context) as watch:
            _admit(plane, name, context)
            request = _parsed(kind, body)
            watch.model = getattr(request, "model_name", "") or getattr(request, "name", "")
            try:
                answer = await UNARY[name](request, plane, _deadline(context))
            except UnavailableError as error:
                await plane.bring_back(error)
                answer = await UNARY[name](request, plane, _deadline(context))
            return as_message(answer, f"{name}Response")

    return call


def _stream(plane: DataPlane, name: str, kind: Any) -> Any:
    async def call(bodies: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        async with _accounted(plane, name, context):
            _admit(plane, name, context)
            requests = (_parsed(kind, body) async for body in bodies)
            async for response in STREAMS[name](requests, plane, _deadline(context)):
                yield response

    return call


def _admit(plane: DataPlane, name: str, context: Context) -> None:
    """The caller's key and rate, as on REST. Raises what `Access.admit` raises."""
    sent = _metadata(context)
    token = bearer(sent.get("authorization", ""), sent.get("x-api-key", ""))
    scope = OPEN if name in ("ServerLive", "ServerReady") else ADMIN if name in ADMINISTRATION else INFER
    plane.access.admit(scope, token, context.peer().rpartition(":")[0])


@dataclass
class _Watch:
    """What is noted of a call: the model it was about, and the status that HTTP would have."""

    model: str = ""
    status: int = 499


@asynccontextmanager
async def _accounted(plane: DataPlane, name: str, context: Context) -> AsyncIterator[_Watch]:
    """The one place where an exception becomes a status; the call is counted and logged however it ends."""
    started, watch, sent = time.monotonic(), _Watch(), _metadata(context)
    given = sent.get("x-request-id", "")
    request_id = given if REQUEST_ID.fullmatch(given.encode()) else next(_FRESH).decode()
    with _traced(plane, name, sent, request_id, watch):
        try:
            CALLER.set(Caller(request_id, None, _priority(sent)))
            context.set_trailing_metadata(((REQUEST_ID_METADATA, request_id),))
            yield watch
            watch.status = 200
        except Exception as error:
            told = as_server_error(error)
            watch.status = told.status
            await _abort(context, name, error, told, request_id)
        finally:
            seconds = time.monotonic() - started
            known = watch.model if watch.model in plane.repository.names() else ""
            plane.metrics.request(known, watch.status, seconds)
            _log_access(name, known, watch.status, seconds, request_id)


def _log_access(name: str, model: str, status: int, seconds: float, request_id: str) -> None:
    """One line per call, with the fields that REST's lines have."""
    milliseconds = round(1000 * seconds, 1)
    fields = {"method": "grpc", "path": name, "status": status, "ms": milliseconds, "request_id": request_id}
    access.info("grpc %s %s %d %.1f ms %s", name, model, status, milliseconds, request_id, extra={"fields": fields})


@contextmanager
def _traced(plane: DataPlane, name: str, sent: Mapping[str, str], request_id: str, watch: _Watch) -> Iterator[None]:
    """The span of a call, where calls are traced."""
    if plane.traces is None:
        yield
        return
    attributes = {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": name, "lampion.request_id": request_id}
    with plane.traces.request(f"{SERVICE}/{name}", sent, attributes) as span:
        try:
            yield
        finally:
            code = grpc.StatusCode.OK if watch.status == 200 else _CODES.get(watch.status, grpc.StatusCode.INTERNAL)
            span.set_attribute("rpc.grpc.status_code", code.value[0])
            span.set_attribute("lampion.model", watch.model)
            if watch.status >= 500:
                plane.traces.failed(span, code.name)


def _priority(sent: Mapping[str, str]) -> Priority:
    return Priority.parse(sent["x-priority"], "x-priority") if "x-priority" in sent else Priority.NORMAL


def _metadata(context: Context) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata() or ()}


async def _abort(context: Context, name: str, error: Exception, told: ServerError, request_id: str) -> None:
    if told.status == 500:
        log.error("grpc %s failed, request id %s", name, request_id, exc_info=error)
    metadata: list[tuple[str, str | bytes]] = [(ERROR_METADATA, json.dumps(error_body(told)).encode())]
    metadata += [(REQUEST_ID_METADATA, request_id)]
    metadata += [(key.lower(), value) for key, value in told.headers().items()]
    await context.abort(_CODES.get(told.status, grpc.StatusCode.INTERNAL), str(told), tuple(metadata))


def _deadline(context: Context) -> float | None:
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
