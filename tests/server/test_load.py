"""Many callers at once, callers who leave, and too many callers, over a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from server.callers import Client, calling
from server.processes import running

TURNS = 10_000.0  # of the spin model: some milliseconds
LONG = 1e5  # turns of the spin model: a tenth of a second and more


def x(value: float) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [value]}]}


async def post(client: httpx.AsyncClient, value: float) -> httpx.Response:
    return await client.post("/v2/models/spin/infer", json=x(value))


def gather(server: Any, values: list[float]) -> list[httpx.Response]:
    async def scene() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client:
            return await asyncio.gather(*(post(client, value) for value in values))

    return asyncio.run(scene())


def test_batches_form_and_everyone_gets_their_own_answer(serve: Any, folder: Any) -> None:
    with serve(folder / "spin.onnx") as server:
        values = [20_000 + float(i) for i in range(40)]
        responses = gather(server, values)
        answers = [response.json()["outputs"][0]["data"][0] for response in responses]
        assert answers == values
        rows, runs = (server.metric(f"lampion_batch_rows_{part}", model="spin") for part in ("sum", "count"))
        assert rows == 40
        assert runs < 40
        assert server.metric("lampion_queue_seconds_count", model="spin") == 40
        assert server.metric("lampion_compute_seconds_count", model="spin") == runs


def test_a_bad_request_in_a_batch_fails_alone(serve: Any, folder: Any) -> None:
    async def scene(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            tensors = [{"name": "index", "datatype": "INT64", "shape": [1], "data": [i % 5]} for i in range(40)]
            requests = (client.post("/v2/models/lookup/infer", json={"inputs": [tensor]}) for tensor in tensors)
            return await asyncio.gather(*requests)

    with serve(folder / "lookup.onnx") as server:
        for i, response in enumerate(asyncio.run(scene(server.url))):
            if i % 5 == 4:
                assert response.status_code == 400
            else:
                assert response.json()["outputs"][0]["data"] == [10 + i % 5]


def test_a_full_queue_says_when_to_come_back(serve: Any, folder: Any) -> None:
    with serve(folder / "spin.onnx", max_queue=2, max_batch=1, instances=1) as server:
        responses = gather(server, [LONG] * 12)
        refused = [response for response in responses if response.status_code == 503]
        assert refused
        assert {response.status_code for response in responses} == {200, 503}
        assert {response.json()["code"] for response in refused} == {"OVERLOADED"}
        assert all(int(response.headers["retry-after"]) >= 1 for response in refused)


def test_who_has_no_room_is_refused_before_the_body_is_there(serve: Any, folder: Any) -> None:
    body = json.dumps(x(1)).encode()
    head = f"POST /v2/models/spin/infer HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n"
    with serve(folder / "spin.onnx", max_queue=1, max_batch=1, instances=1, threads=1) as server:
        address, model = ("127.0.0.1", server.client.base_url.port), server.plane.repository.get("spin")
        with (
            full(server, model),
            socket.create_connection(address) as kept,
            socket.create_connection(address) as asking,
        ):
            asking.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            answer = hear(asking)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"\r\nconnection: close\r\n" in answer.lower()
            assert asking.recv(1) == b""
            kept.sendall(f"{head}\r\n".encode() + body[:5])
            answer = hear(kept)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"connection: close" not in answer.lower()
            kept.sendall(body[5:] + b"GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n")  # whose answer isn't waited for
            assert hear(kept).startswith(b"HTTP/1.1 200")
            assert model.scheduler.waiting == 1
            stages = server.plane.statistics.as_json("spin", "1")["inference_stats"]
            assert stages["fail"]["count"] == 2


def test_photos_that_would_be_late_are_refused_before_they_are_decoded(serve: Any, folder: Any, build: Any) -> None:
    with serve(folder / "digits.onnx") as server:
        decoder, photo = server.plane._decoder, build.photo()
        decoder._pace, decoder._waiting = 1.0, 10  # seconds a photo, and so many before this one
        ask = partial(server.client.post, "/v1/models/digits/predict", content=photo)
        refused = ask(headers={"X-Request-Timeout": "2"})
        assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")
        assert int(refused.headers["retry-after"]) >= 10 / decoder._threads
        decoder._waiting = 0
        assert ask(headers={"X-Request-Timeout": "2"}).status_code == 200


def test_five_times_too_many(folder: Path) -> None:
    """Who is taken in gets the right answer or hears that it is late, the others when to come back; then all is quiet."""

    async def ask(client: Client, number: int) -> str:
        body = json.dumps(x(TURNS)).encode()
        answer = await client.post("/v2/models/spin/infer", body, "X-Request-Timeout: 2\r\n")
        told = json.loads(answer.body)
        if answer.status == 200:
            return "right" if told["outputs"][0]["data"] == [TURNS] else "wrong"
        if answer.status == 503:
            return told["code"] if int(answer.headers["retry-after"]) >= 1 else "503 without an end"
        return str(answer.status)

    settings = (
        "--port",
        0,
        "--max-queue",
        8,
        "--max-batch",
        1,
        "--instances",
        1,
        "--threads",
        1,
        "--log-level",
        "error",
    )
    with running(folder / "spin.onnx", *settings) as (_, url), httpx.Client(base_url=url) as monitor:
        started = time.monotonic()
        for _ in range(10):
            assert monitor.post("/v2/models/spin/infer", json=x(TURNS)).status_code == 200
        capacity = 10 / (time.monotonic() - started)
        with calling(url, ask, 5 * capacity) as tally:
            until(lambda: len(tally.times) > 100)
        assert tally.outcomes.keys() <= {"right", "OVERLOADED", "504"}
        assert tally.outcomes["right"] > 0
        assert tally.outcomes["OVERLOADED"] > 0
        assert monitor.post("/v2/models/spin/infer", json=x(TURNS)).status_code == 200
        (stats,) = monitor.get("/v2/models/spin/stats").json()["model_stats"]
        assert stats["inference_stats"]["success"]["count"] == tally.outcomes["right"] + 11


@pytest.mark.parametrize(
    ("settings", "parameters"), [({"request_timeout": 0.05}, {}), ({}, {"timeout": 50_000})], ids=["server", "caller"]
)
def test_a_deadline_is_kept(serve: Any, folder: Any, settings: Any, parameters: Any) -> None:
    with serve(folder / "spin.onnx", **settings) as server:
        response = server.client.post("/v2/models/spin/infer", json=x(LONG) | {"parameters": parameters})
        assert (response.status_code, response.json()["code"]) == (504, "DEADLINE_EXCEEDED")


def test_a_caller_who_hangs_up_is_not_computed_for(serve: Any, folder: Any) -> None:
    with serve(folder / "spin.onnx", max_batch=1, instances=1) as server:
        model = server.plane.repository.get("spin")
        first = threading.Thread(target=gather, args=(server, [4 * LONG]))
        first.start()
        until(lambda: model.users == 1 and model.scheduler.waiting == 0)
        second = raw_post(server, x(LONG))
        until(lambda: model.scheduler.waiting == 1)
        second.close()
        first.join()
        until(lambda: server.metric("lampion_requests_total", model="spin", status="499") == 1)
        assert server.metric("lampion_batch_rows_count", model="spin") == 1


@contextmanager
def full(server: Any, model: Any) -> Iterator[None]:
    """One request is computed and one waits, which is all that may."""
    with raw_post(server, x(10 * LONG)):
        until(lambda: model.users == 1 and model.scheduler.waiting == 0)
        with raw_post(server, x(1)):
            until(lambda: model.scheduler.waiting == 1)
            yield


def hear(connection: socket.socket) -> bytes:
    """One answer."""
    connection.settimeout(30)
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(1)
    length = int(heard.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while length:
        length -= len(connection.recv(length))
    return heard


def raw_post(server: Any, body: Any) -> socket.socket:
    request = httpx.Request("POST", server.url + "/v2/models/spin/infer", json=body)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    connection = socket.create_connection(("127.0.0.1", request.url.port or 80))
    connection.sendall(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode() + request.content)
    return connection


def until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
