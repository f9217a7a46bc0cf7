"""Every method of the service: a table at the end, and the handlers, which only translate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from google.protobuf.json_format import ParseDict

from lampion_server import examples
from lampion_server.dataplane import DataPlane
from lampion_server.errors import BadRequestError, ServerError, UnavailableError, UnsupportedError, as_server_error
from lampion_server.grpc.parameters import integer, read_parameters, write_parameters
from lampion_server.grpc.schema import message
from lampion_server.grpc.tensors import read_tensors, write_tensors
from lampion_server.infer import InferRequest, Wanted, at_most
from lampion_server.metadata import model_metadata, release, repository_line
from lampion_server.orders import LOAD, UNLOAD, Order
from lampion_server.protocol import OWN_PARAMETERS, check_load

# The deadline is one of `time.monotonic`, None without; the answer is a message, or what JSON says of it.
Handler = Callable[[Any, DataPlane, float | None], Awaitable[Any]]
ModelInferResponse = message("ModelInferResponse")
ModelStreamInferResponse = message("ModelStreamInferResponse")
# Requests of one stream that are under way at a time.
AHEAD = 64
QUIET = 0.5  # seconds without a request after which a server that ends takes no more from a stream


# --- the server ---


async def server_live(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    return {"live": True}


async def server_ready(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    try:
        plane.check_ready()
    except UnavailableError:
        return {"ready": False}
    return {"ready": True}


async def server_metadata(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    return examples.SERVER | {"version": release()}


# --- models ---


async def model_ready(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    with suppress(UnavailableError):
        return {"ready": bool(plane.ready(*_model(request)))}
    return {"ready": False}


async def metadata(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    return model_metadata(plane.metadata(*_model(request)))


async def config(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    return {"config": plane.config(*_model(request))}


async def statistics(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    return {"model_stats": await plane.stats(request.name or None, request.version or None)}


async def index(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    _only_repository(request)
    return {"models": [repository_line(entry) for entry in plane.index() if entry.model or not request.ready]}


async def load(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    _only_repository(request)
    check_load(request.parameters)
    await plane.change(Order(LOAD, request.model_name))
    return {}


async def unload(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    _only_repository(request)
    await plane.change(Order(UNLOAD, request.model_name))
    return {}


def _model(request: Any) -> tuple[str, str | None]:
    return request.name, request.version or None


def _only_repository(request: Any) -> None:
    if request.repository_name:
        message = (
            f"repository_name: expected nothing, since there is one repository, got {request.repository_name!r:.80}"
        )
        raise BadRequestError(message, field="repository_name")


# --- inference ---


async def infer(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    asked = _asked(request)
    done = await plane.answer(request.model_name, request.model_version or None, asked, deadline)
    response = ModelInferResponse(model_name=done.model, model_version=done.version, id=request.id)
    write_parameters(asked.parameters, response.parameters)
    write_tensors(done.outputs, response, raw=bool(request.raw_input_contents))
    return response


def _asked(request: Any) -> InferRequest:
    parameters = read_parameters(request.parameters)
    timeout = integer(parameters, "timeout", "")
    return InferRequest(
        inputs=read_tensors(request.inputs, request.raw_input_contents),
        outputs=_wanted(request.outputs),
        binary=True,
        timeout=timeout / 1e6 if timeout else None,  # in microseconds on the wire
        parameters={name: value for name, value in parameters.items() if name not in OWN_PARAMETERS},
    )


def _wanted(outputs: Any) -> dict[str, Wanted] | None:
    wanted: dict[str, Wanted] = {}
    for index, output in enumerate(at_most(outputs, "outputs")):
        path = f"outputs[{index}]."
        parameters = read_parameters(output.parameters)
        if output.name in wanted:
            raise BadRequestError(f"{path}name: {output.name!r:.80} is there twice", field=f"{path}name")
        if "shared_memory_region" in parameters:
            region = f"{path}parameters.shared_memory_region"
            raise UnsupportedError(f"{region}: this server shares no memory", field=region)
        wanted[output.name] = Wanted(binary=True, classes=integer(parameters, "classification", path))
    return wanted or None


async def stream(requests: AsyncIterator[Any], plane: DataPlane, deadline: float | None) -> AsyncIterator[Any]:
    """The answers in the order of the requests, which compute at the same time; one that fails doesn't end the stream.

    When the server ends, what has come is answered; then `UnavailableError`.
    """
    tasks: asyncio.Queue[asyncio.Task[Any] | None] = asyncio.Queue()
    ahead = asyncio.Semaphore(AHEAD)
    heard = 0

    async def start_all() -> None:
        nonlocal heard
        try:
            async for request in requests:
                heard += 1
                await ahead.acquire()
                tasks.put_nowait(asyncio.create_task(_stream_one(request, plane, deadline)))
        finally:
            tasks.put_nowait(None)

    async def stop_when_quiet() -> None:
        before = -1
        while not plane.draining or heard > before or ahead.locked():
            before = heard
            await asyncio.sleep(QUIET)
        reader.cancel()

    reader, watch = asyncio.create_task(start_all()), asyncio.create_task(stop_when_quiet())
    task = None
    try:
        while (task := await tasks.get()) is not None:
            yield await task
            ahead.release()
        await asyncio.wait([reader])
        if reader.cancelled():
            raise UnavailableError("the server is shutting down")
        reader.result()
    finally:
        watch.cancel()
        reader.cancel()
        left = [tasks.get_nowait() for _ in range(tasks.qsize())]
        for one in (task, *left):
            if one is not None:
                one.cancel()


async def _stream_one(request: Any, plane: DataPlane, deadline: float | None) -> Any:
    try:
        response = await infer(request, plane, deadline)
    except Exception as error:
        told: ServerError = as_server_error(error)
        failed = ModelInferResponse(model_name=request.model_name, id=request.id)
        return ModelStreamInferResponse(error_message=str(told), infer_response=failed)
    if read_parameters(request.parameters).get("triton_enable_empty_final_response"):
        write_parameters({"triton_final_response": True}, response.parameters)  # each request has one answer here
    return ModelStreamInferResponse(infer_response=response)


# --- the table ---

UNARY: Mapping[str, Handler] = {
    "ServerLive": server_live,
    "ServerReady": server_ready,
    "ServerMetadata": server_metadata,
    "ModelReady": model_ready,
    "ModelMetadata": metadata,
    "ModelInfer": infer,
    "ModelConfig": config,
    "ModelStatistics": statistics,
    "RepositoryIndex": index,
    "RepositoryModelLoad": load,
    "RepositoryModelUnload": unload,
}
STREAMS = {"ModelStreamInfer": stream}


def as_message(answer: Any, name: str) -> Any:
    """A handler's answer as the message called `name`."""
    return ParseDict(answer, message(name)()) if isinstance(answer, dict) else answer


ADMINISTRATION = ("RepositoryModelLoad", "RepositoryModelUnload")  # what a key must allow with the scope admin
