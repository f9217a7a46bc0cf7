"""Every route of the server: a table at the end, and the handlers, which only translate."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from lampion_edge.store.collecting import FullError, collect
from lampion_server import examples, exposition, metadata
from lampion_server.access import OPEN
from lampion_server.bodies import read_items
from lampion_server.dataplane import DataPlane
from lampion_server.errors import BadRequestError, NotFoundError, UnavailableError
from lampion_server.http import (
    NOT_FOR_LONG,
    Reply,
    WhileConnected,
    beside,
    header,
    json_response,
    known,
    read_body,
    took,
)
from lampion_server.keys import ADMIN
from lampion_server.keys import INFER as ASK
from lampion_server.metadata import release, repository_line
from lampion_server.orders import CANARY, LOAD, PROMOTE, ROLLBACK, SHADOW, UNLOAD, Order
from lampion_server.protocol import (
    read_index,
    read_load,
    read_raw,
    read_request,
    write_response,
)
from lampion_server.tasks import task_of

JSON_LENGTH = "Inference-Header-Content-Length"
_LENGTH_NAME = JSON_LENGTH.lower().encode()
_MOST_DIGITS = 18  # of a number of bytes; Python refuses to read some thousands

_RANGES = re.compile(r"bytes=(\d+-\d*|-\d+)(\s*,\s*(\d+-\d*|-\d+))*")
_MUCH = 2**20  # bytes that are JSON, or are to be, take milliseconds, in which others would wait

Handler = Callable[[Request, DataPlane], Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """One line of the table; `answer` and `body` are what /docs shows. A `hot` route bypasses FastAPI."""

    method: str
    path: str
    handler: Handler
    summary: str
    answer: Any = None
    body: Mapping[str, Any] | None = None
    body_required: bool = True
    query: Sequence[Mapping[str, Any]] = ()
    hot: bool = False
    scope: str = ASK  # what a key must allow, where the server wants keys


# --- the server ---


async def server_metadata(request: Request, plane: DataPlane) -> Response:
    return json_response(examples.SERVER | {"version": release()})


async def live(request: Request, plane: DataPlane) -> Response:
    return json_response({"live": True})


async def ready(request: Request, plane: DataPlane) -> Response:
    plane.check_ready()
    return json_response({"ready": True})


async def metrics(request: Request, plane: DataPlane) -> Response:
    parts = [await plane.metrics_text(), exposition.model_states(plane.index())]
    if plane.settings.triton_metrics:
        parts.append(exposition.triton(await plane.stats()))
    return Response(b"".join(parts), media_type=CONTENT_TYPE_LATEST)


async def records(request: Request, plane: DataPlane) -> Response:
    settings = plane.settings
    if not settings.collect:
        raise NotFoundError("this server keeps no records", hint="lampion serve --collect FOLDER")
    body = await read_body(request, settings)
    try:
        new = await asyncio.to_thread(collect, Path(settings.collect), body, settings.collect_bytes)
    except FullError as error:
        raise UnavailableError(str(error), hint="move what was collected elsewhere, or raise --collect-bytes") from None
    return json_response({"new": new})


# --- models ---


async def model_metadata(request: Request, plane: DataPlane) -> Response:
    return json_response(metadata.model_metadata(plane.metadata(*_model(request))))


async def model_ready(request: Request, plane: DataPlane) -> Response:
    return json_response({"name": plane.ready(*_model(request)), "ready": True})


async def model_config(request: Request, plane: DataPlane) -> Response:
    return json_response(plane.config(*_model(request)))


async def model_stats(request: Request, plane: DataPlane) -> Response:
    return json_response({"model_stats": await plane.stats(*_model(request))})


async def all_stats(request: Request, plane: DataPlane) -> Response:
    return json_response({"model_stats": await plane.stats()})


async def models(request: Request, plane: DataPlane) -> Response:
    cards = [json.loads(entry.model.session.card.to_json()) if entry.model else None for entry in plane.index()]
    lines = [repository_line(entry) | {"card": card} for entry, card in zip(plane.index(), cards, strict=True)]
    return json_response({"models": lines})


async def signed_release(request: Request, plane: DataPlane) -> Response:
    name, version = _model(request)
    signed = plane.release(name, version)
    # Relative, for a proxy may have put something in front: where this version's release and its files will stay.
    place = "release" if version else f"versions/{quote(signed.version, safe='')}/release"
    if known(request, signed.etag):
        return Response(status_code=304, headers={"ETag": signed.etag})
    headers = {"ETag": signed.etag, "Content-Location": place}
    return Response(signed.content, headers=headers, media_type="application/json")


async def release_file(request: Request, plane: DataPlane) -> Response:
    path = plane.release(*_model(request)).file(request.path_params["file"])
    try:
        stat = path.stat()
    except OSError as error:
        raise UnavailableError(f"{path.name} can't be read: {error.strerror}") from None
    response = FileResponse(path, media_type="application/octet-stream", stat_result=stat)  # knows ranges
    if not _RANGES.fullmatch(request.headers.get("range", "")):  # what isn't understood is ignored, as HTTP has it
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    if known(request, response.headers["etag"]):
        return Response(status_code=304, headers={"ETag": response.headers["etag"]})
    return response


async def index(request: Request, plane: DataPlane) -> Response:
    only_ready = read_index(await read_body(request, plane.settings))
    return json_response([repository_line(entry) for entry in plane.index() if entry.model or not only_ready])


async def load(request: Request, plane: DataPlane) -> Response:
    read_load(await read_body(request, plane.settings))
    await plane.change(Order(LOAD, request.path_params["model"]))
    return _lines(request, plane)


async def unload(request: Request, plane: DataPlane) -> Response:
    await plane.change(Order(UNLOAD, request.path_params["model"]))
    return _lines(request, plane)


def steered(action: str) -> Handler:
    """The handler of a change of traffic; the version and the share come as the query's `version` and `percent`."""

    async def steer(request: Request, plane: DataPlane) -> Response:
        _known_query(request, examples.STEER_QUERY[action])
        percent = _number(request, "percent", float, 0, 100)
        share = plane.settings.canary_percent if percent is None else percent
        name, version = request.path_params["model"], request.query_params.get("version")
        await plane.change(Order(action, name, version, share))
        return json_response(metadata.traffic(plane, name))

    return steer


async def traffic(request: Request, plane: DataPlane) -> Response:
    return json_response(metadata.traffic(plane, request.path_params["model"]))


def _lines(request: Request, plane: DataPlane) -> Response:
    name = request.path_params["model"]
    return json_response([repository_line(entry) for entry in plane.index() if entry.name == name])


def _model(request: Request) -> tuple[str, str | None]:
    return request.path_params["model"], request.path_params.get("version")


# --- inference ---


async def infer(request: Request, plane: DataPlane) -> Response:
    name, wanted = _model(request)
    served = plane.expect(name, wanted)  # whom it has no room for, it hasn't to listen to
    body = await read_body(request, plane.settings)
    length = _json_length(request)
    if length == 0:
        _check_raw(request)
        asked = read_raw(body, served.session.inputs)
    else:
        asked = await beside((length or len(body)) > _MUCH, read_request, body, length)
    with NOT_FOR_LONG if served.scheduler.inline else WhileConnected(request):
        done = await plane.answer(name, wanted, asked)
    much = sum(array.nbytes for name, array in done.outputs.items() if not asked.wanted(name).binary) > _MUCH
    content, json_length = await beside(much, write_response, asked, done.model, done.version, done.outputs)
    took(request, queue=done.queue, compute=done.compute)
    if json_length < len(content):
        return Reply(content, "application/octet-stream", {JSON_LENGTH: str(json_length)})
    return Reply(content, "application/json")


async def predict(request: Request, plane: DataPlane) -> Response:
    _known_query(request, examples.PHOTO_QUERY)
    top, threshold = _number(request, "top", int, 1, math.inf), _number(request, "threshold", float, 0, 1)
    name, wanted = _model(request)
    served = plane.expect(name, wanted, items=True)
    items = await read_items(request, plane.settings, task_of(served.session.card.task))
    with WhileConnected(request):
        done = await plane.predict(name, wanted, items, top, threshold or 0.0)
    took(request, decode=done.decode, queue=done.queue, compute=done.compute)
    answer = {"model": done.model, "version": done.version, "predictions": done.predictions}
    return json_response(answer)


def _json_length(request: Request) -> int | None:
    """Where the JSON ends in a body with binary tensors; 0 means that the body is one raw tensor."""
    text = header(request, _LENGTH_NAME, "none")
    if text == "none":
        return None
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise BadRequestError(f"{JSON_LENGTH}: expected a number of bytes, got {text!r:.80}", field=JSON_LENGTH)
    return int(text)


def _check_raw(request: Request) -> None:
    """JSON taken for the bytes of numbers would be answered, and wrongly. Raises `BadRequestError`."""
    if request.headers.get("content-type", "").startswith("application/json"):
        message = f"{JSON_LENGTH} 0 announces a raw tensor, but the content type is application/json"
        raise BadRequestError(message, field=JSON_LENGTH, hint="send a raw tensor as application/octet-stream")


def _known_query(request: Request, known: Sequence[Mapping[str, Any]]) -> None:
    """A misspelt parameter would be ignored in silence, and the answer be another than was meant."""
    names = [parameter["name"] for parameter in known]
    for name in request.query_params:
        if name not in names:
            expected = " or ".join(names) or "no parameters"
            raise BadRequestError(f"query: expected {expected}, got {name!r:.80}", field=name)


def _number(request: Request, name: str, kind: Callable[[str], float], least: float, most: float) -> Any:
    """A query parameter as a number within its bounds, None if it isn't there."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        bounds = f"at least {least}" if most == math.inf else f"{least} to {most}"
        what = "an integer" if kind is int else "a number"
        raise BadRequestError(f"{name}: expected {what}, {bounds}, got {text!r:.80}", field=name)
    return value


# --- the table ---

V1, V2 = "/v1/models/{model}", "/v2/models/{model}"
VERSION = "/versions/{version}"
REPOSITORY, TRAFFIC = "/v2/repository/models/{model}", f"{V1}/traffic"
READY, LOADED = {"name": examples.MODEL, "ready": True}, examples.INDEX
INFER = "Run a model on tensors"
TENSORS = examples.TENSOR_BODY

ROUTES = (
    Route("POST", f"{V2}/infer", infer, INFER, examples.INFER_ANSWER, TENSORS, hot=True),
    Route("POST", f"{V2}{VERSION}/infer", infer, f"{INFER}, in one version", examples.INFER_ANSWER, TENSORS, hot=True),
    Route(
        *(
            "POST",
            f"{V1}/predict",
            predict,
            "Ask without tensors",
            examples.PREDICT_ANSWER,
            examples.PREDICT_BODY,
        ),
        query=examples.PHOTO_QUERY,
        hot=True,
    ),
    Route(
        *(
            "POST",
            "/v1/models/{model}/versions/{version}/predict",
            predict,
            "The same, of one version",
            examples.PREDICT_ANSWER,
            examples.PREDICT_BODY,
        ),
        query=examples.PHOTO_QUERY,
        hot=True,
    ),
    Route("GET", "/v1/models", models, "All models with their cards", examples.MODELS),
    Route("GET", f"{V1}/release", signed_release, "What was signed of a model, for devices", examples.RELEASE),
    Route("GET", f"{V1}{VERSION}/release", signed_release, "The same, of one version", examples.RELEASE),
    Route("GET", f"{V1}{VERSION}/files/{{file}}", release_file, "A file that the signature covers", examples.FILE),
    Route("GET", "/v2", server_metadata, "What this server is", examples.SERVER),
    Route("GET", "/v2/health/live", live, "Whether the server runs", {"live": True}, scope=OPEN),
    Route("GET", "/v2/health/ready", ready, "Whether every model is served", {"ready": True}, scope=OPEN),
    Route("GET", "/v2/models/stats", all_stats, "What became of the requests of all models", examples.STATS),
    Route("GET", V2, model_metadata, "What a model takes and gives", examples.METADATA),
    Route("GET", f"{V2}{VERSION}", model_metadata, "The same, of one version", examples.METADATA),
    Route("GET", f"{V2}/ready", model_ready, "Whether a model is served", READY),
    Route("GET", f"{V2}{VERSION}/ready", model_ready, "Whether one version is served", READY),
    Route("GET", f"{V2}/config", model_config, "How a model runs, in Triton's words", examples.CONFIG),
    Route("GET", f"{V2}{VERSION}/config", model_config, "The same, of one version", examples.CONFIG),
    Route("GET", f"{V2}/stats", model_stats, "What became of a model's requests", examples.STATS),
    Route("GET", f"{V2}{VERSION}/stats", model_stats, "The same, of one version", examples.STATS),
    Route(
        *("POST", "/v2/repository/index", index, "All models and versions, and why one isn't served", examples.INDEX),
        *(examples.INDEX_BODY, False),
    ),
    Route("POST", f"{REPOSITORY}/load", load, "Read a model from disk again and swap it in", LOADED, scope=ADMIN),
    Route("POST", f"{REPOSITORY}/unload", unload, "Stop serving a model", LOADED, scope=ADMIN),
    Route("GET", TRAFFIC, traffic, "Which version answers, and what its shadow would have said", examples.TRAFFIC),
    *(
        Route(
            *("POST", f"{TRAFFIC}/{action}", steered(action), text, examples.TRAFFIC),
            query=examples.STEER_QUERY[action],
            scope=ADMIN,
        )
        for action, text in (
            (PROMOTE, "Give a version all of the traffic"),
            (ROLLBACK, "Take the canary away, or go back to the version before"),
            (CANARY, "Give a version a share of the traffic"),
            (SHADOW, "Send copies of all requests to a version, and compare; without a version, end that"),
        )
    ),
    Route(
        *("POST", "/v1/records", records, "Keep what devices kept (lampion-edge camera --send)", examples.RECORDS),
        examples.RECORDS_BODY,
    ),
    Route("GET", "/metrics", metrics, "Counters and histograms for Prometheus"),
)
