"""The route table, the documentation made of it, and what all answers have in common."""

from __future__ import annotations

import ast
import logging
import re
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import lampion_server
from lampion_server import examples
from lampion_server.errors import ServerError
from lampion_server.routes import JSON_LENGTH, ROUTES, Route


def url(route: Route) -> str:
    model = "digits" if route.path.startswith("/v1") else "iris"
    return route.path.format(model=model, version="1", file="digits.onnx")


def shape(value: Any) -> Any:
    """The keys of a JSON value, all the way down, and the types of what they hold."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if "/traffic" not in route.path and route.path != "/v1/records"],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_the_documented_example_is_what_one_gets(serve: Any, folder: Any, build: Any, route: Route) -> None:
    sends = {"content": build.photo()} if route.body is examples.PREDICT_BODY else {"json": examples.INFER_REQUEST}
    models = [folder / "digits.onnx"] if route.path.startswith("/v1") else [folder / "iris.onnx"]
    with serve(*models) as server:
        if route.path.endswith("/stats"):
            server.client.post("/v2/models/iris/infer", json=examples.INFER_REQUEST)
        response = server.client.request(
            route.method, url(route) + ("?top=1" if route.query else ""), **(sends if route.body else {})
        )
        assert response.status_code == 200, response.text
        if route.path == "/v1/models":
            (line,) = response.json()["models"]
            assert line.pop("card")["task"] == "image-classification"
        elif isinstance(route.answer, bytes):
            assert response.content == (folder / "digits.onnx").read_bytes()
        elif route.answer is not None:
            assert shape(response.json()) == shape(route.answer)


def test_openapi_shows_every_route(server: Any) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    shown = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert shown >= {(route.method, route.path) for route in ROUTES}
    infer = paths["/v2/models/{model}/infer"]["post"]
    assert infer["requestBody"]["content"]["application/json"]["example"] == examples.INFER_REQUEST
    assert infer["responses"]["200"]["content"]["application/json"]["example"] == examples.INFER_ANSWER
    assert [parameter["name"] for parameter in infer["parameters"]] == ["model", JSON_LENGTH]
    predict = paths["/v1/models/{model}/predict"]["post"]
    assert [parameter["name"] for parameter in predict["parameters"]] == ["model", "top", "threshold"]


def test_the_docs_need_no_network(server: Any) -> None:
    page = server.client.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    parts = re.findall(r"""(?:href|src)="([^"]+)"|url: '([^']+)'""", page.text)
    assert len(parts) == 4
    assert [server.client.get(one or other).status_code for one, other in parts] == [200] * 4
    assert '"validatorUrl": null' in page.text


def test_every_error_has_a_status_and_a_code_of_its_own() -> None:
    def below(error: type[ServerError]) -> list[type[ServerError]]:
        return [error, *(found for child in error.__subclasses__() for found in below(child))]

    told = [error for error in below(ServerError) if error.__name__ != "StartupError"]
    assert len({error.code for error in told}) == len(told)
    for error in told:
        assert f"{error.status}  {error.code}" in (ServerError.__doc__ or "")


def test_request_ids(server: Any) -> None:
    def request_id(given: str) -> str:
        return server.client.get("/v2", headers={"x-request-id": given}).headers["x-request-id"]

    assert request_id("mine-1.2_3") == "mine-1.2_3"
    assert request_id("no spaces") != "no spaces"
    assert request_id("x" * 129) != "x" * 129
    assert request_id("") != request_id("")


def test_an_error_of_our_own_is_logged_but_not_shown(serve: Any, folder: Any, caplog: Any, monkeypatch: Any) -> None:
    with serve(folder / "iris.onnx") as server, caplog.at_level(logging.ERROR):
        for name in ("index", "get"):
            monkeypatch.setattr(server.plane.repository, name, lambda *_: 1 / 0)
        response = server.client.post("/v2/models/iris/infer", json=examples.INFER_REQUEST)
        again = server.client.post("/v2/repository/index")
        monkeypatch.undo()
    for answer in (response, again):
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
        assert "division" not in answer.text
        assert any(answer.headers["x-request-id"] in record.getMessage() for record in caplog.records)
    assert all(record.exc_info for record in caplog.records)


def test_readiness_says_what_is_missing(serve: Any, build: Any, tmp_path: Any) -> None:
    build.iris(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_text("no model")
    with serve(tmp_path) as server:
        response = server.client.get("/v2/health/ready")
        assert response.status_code == 503
        assert "b version 1" in response.json()["error"]
        assert server.client.get("/v2/health/live").status_code == 200
        assert server.client.get("/v2/models/b/ready").status_code == 503
        assert [line["name"] for line in server.client.post("/v2/repository/index").json()] == ["b", "iris"]
        ready = server.client.post("/v2/repository/index", json={"ready": True}).json()
        assert [line["name"] for line in ready] == ["iris"]


def test_unload_and_load(serve: Any, build: Any, tmp_path: Any) -> None:
    with serve(build.iris(tmp_path / "a.onnx")) as server:
        post = server.client.post
        assert post("/v2/repository/models/iris/unload").json()[0]["state"] == "UNAVAILABLE"
        response = post("/v2/models/iris/infer", json=examples.INFER_REQUEST)
        assert (response.status_code, response.json()["code"]) == (503, "UNAVAILABLE")
        build.iris(tmp_path / "a.onnx", scale=3.0)
        assert post("/v2/repository/models/iris/load").json()[0]["state"] == "READY"
        response = post("/v2/models/iris/infer", json=examples.INFER_REQUEST)
        assert response.json()["outputs"][0]["data"] == pytest.approx([15.3, 10.5, 4.2])


def test_metrics_keep_no_names_that_callers_invent(server: Any) -> None:
    before = server.metric("lampion_requests_total", model="", status="404")
    for i in range(3):
        server.client.get(f"/v2/models/invented-{i}")
    text = server.client.get("/metrics").text
    assert "invented" not in text
    assert server.metric("lampion_requests_total", model="", status="404") == before + 3


def test_server_timing(server: Any) -> None:
    timing = server.client.post("/v2/models/iris/infer", json=examples.INFER_REQUEST).headers["server-timing"]
    assert [part.partition(";")[0] for part in timing.split(", ")] == ["queue", "compute", "total"]
    for path in ("/v2/health/live", "/metrics", "/nowhere", "/v2/models/none"):
        assert server.client.get(path).headers["server-timing"].startswith("total;dur=")


def test_the_end_of_the_server_is_the_end_of_its_threads(serve: Any, build: Any, tmp_path: Any) -> None:
    with serve(build.iris(tmp_path / "m" / "1" / "model.onnx").parents[2], tune_seconds=0) as server:
        server.client.get("/v2")
        assert any(thread.name.startswith("lampion-m-") for thread in threading.enumerate())
    assert not any(thread.name.startswith("lampion-m-") for thread in threading.enumerate())


def test_the_table_of_contents() -> None:
    """What type checkers are told, what is there at run time, and what it says of itself."""
    told = {
        alias.asname: node.module
        for node in ast.walk(ast.parse(Path(lampion_server.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lampion_server.")
        for alias in node.names
        if alias.asname
    }
    assert told == {name: f"lampion_server{module}" for name, module in lampion_server._HOMES.items()}
    assert dir(lampion_server) == sorted(told) == lampion_server.__all__
    for name, module in told.items():
        assert getattr(lampion_server, name) is getattr(import_module(str(module)), name)
    with pytest.raises(AttributeError):
        lampion_server.build_ap  # type: ignore[attr-defined]  # noqa: B018


def test_what_needs_no_web_framework_brings_none() -> None:
    code = "import sys, lampion_server.commands, lampion_server.load.command; print('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2", "/metrics", "/v2/models/none", "/docs"])
def test_head_is_get_without_the_body(server: Any, path: str) -> None:
    get, head = server.client.get(path), server.client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
