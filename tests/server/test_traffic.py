"""Versions over HTTP: who answers, a share for a canary, copies for a shadow, and back."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lampion_server import Repository, Settings
from lampion_server.model import UNLOADED
from lampion_server.orders import standing
from lampion_server.traffic import Traffic

X = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}


@pytest.fixture
def versions(build: Any, tmp_path: Path) -> Path:
    """Version 1 doubles, version 2 triples."""
    for version, scale in (("1", 2.0), ("2", 3.0)):
        build.iris(tmp_path / "iris" / version / "model.onnx", version=version, scale=scale)
    return tmp_path


def asked(server: Any, times: int = 1, path: str = "") -> Counter[tuple[str, float]]:
    """Which version answered how often, and what."""
    found: Counter[tuple[str, float]] = Counter()
    for _ in range(times):
        answer = server.client.post(f"/v2/models/iris{path}/infer", json=X).json()
        found[answer["model_version"], answer["outputs"][0]["data"][0]] += 1
    return found


def test_traffic(serve: Any, versions: Path) -> None:
    with serve(versions) as server:

        def steer(way: str) -> dict[str, Any]:
            answer = server.client.post(f"/v1/models/iris/traffic/{way}")
            assert answer.status_code == 200, answer.text
            changed: dict[str, Any] = answer.json()
            return changed

        assert asked(server) == {("2", 3.0): 1}
        assert steer("promote?version=1")["previous"] == "2"
        assert asked(server, 2) == {("1", 2.0): 2}
        assert steer("canary?version=2&percent=25")["percent"] == 25
        assert asked(server, 8) == {("1", 2.0): 6, ("2", 3.0): 2}
        assert asked(server, 1, "/versions/canary") == {("2", 3.0): 1}
        assert steer("rollback")["canary"] is None
        assert steer("shadow?version=2")["report"]["compared"] == 0
        assert asked(server, 5) == {("1", 2.0): 5}
        limit = time.monotonic() + 20
        while (report := server.client.get("/v1/models/iris/traffic").json()["report"])["compared"] < 5:
            assert time.monotonic() < limit
        assert (report["values"], report["decisions"], report["worst"]) == (5, 0, 3.0)
        assert steer("shadow")["shadow"] is None
        assert steer("rollback")["stable"] == "2"


def test_versions_are_steered_by_their_labels(serve: Any, versions: Path) -> None:
    with serve(versions) as server:

        def steer(way: str) -> tuple[str, str | None, str | None]:
            answer = server.client.post(f"/v1/models/iris/traffic/{way}")
            assert answer.status_code == 200, answer.text
            told = answer.json()
            return told["stable"], told["canary"], told["shadow"]

        assert steer("canary?version=1&percent=50") == ("2", "1", None)
        assert steer("shadow?version=canary") == ("2", "1", "1")
        assert steer("shadow?version=") == ("2", "1", None)
        assert steer("promote?version=canary") == ("1", None, None)
        assert asked(server) == {("1", 2.0): 1}


def test_a_shadow_hears_of_what_the_cache_answers(serve: Any, versions: Path) -> None:
    with serve(versions, cache_bytes=10_000) as server:
        server.client.post("/v1/models/iris/traffic/promote?version=1")
        asked(server)
        server.client.post("/v1/models/iris/traffic/shadow?version=2")
        assert asked(server, 5) == {("1", 2.0): 5}
        limit = time.monotonic() + 20
        while (report := server.client.get("/v1/models/iris/traffic").json()["report"])["compared"] < 5:
            assert time.monotonic() < limit, report
        assert (report["values"], report["worst"]) == (5, 3.0)
        stats = {entry["version"]: entry for entry in server.client.get("/v2/models/stats").json()["model_stats"]}
        assert (stats["1"]["execution_count"], stats["2"]["execution_count"]) == (1, 0)
        stages = stats["1"]["inference_stats"]
        assert (stages["cache_hit"]["count"], stages["cache_miss"]["count"]) == (5, 1)


@pytest.mark.parametrize(
    ("way", "status", "field"),
    [
        ("promote", 400, "version"),
        ("canary?percent=5", 400, "version"),
        ("canary?version=1&percent=101", 400, "percent"),
        ("canary?version=1&share=5", 400, "share"),
        ("promote?version=9", 404, "version"),
        ("canary?version=2&percent=5", 400, "version"),  # the stable one
        ("shadow?version=stable", 400, "version"),
        ("promote?version=", 400, "version"),
        ("promote?version=canary", 404, "version"),  # there is none
        ("rollback", 400, "model"),
        ("rollback?version=1", 400, "version"),
        ("forward", 404, None),
    ],
)
def test_what_is_refused(serve: Any, versions: Path, way: str, status: int, field: str | None) -> None:
    with serve(versions) as server:
        answer = server.client.post(f"/v1/models/iris/traffic/{way}")
        assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_a_watched_folder(serve: Any, build: Any, versions: Path) -> None:
    with serve(versions, watch=0.05) as server:
        build.iris(versions / "iris" / "3" / "model.onnx", version="3", scale=5.0)
        limit = time.monotonic() + 20
        while asked(server) != {("3", 5.0): 1}:
            assert time.monotonic() < limit
        (versions / "iris" / "4").mkdir()
        (versions / "iris" / "4" / "model.onnx").write_bytes(b"damaged")
        while "4" not in [line["version"] for line in server.client.post("/v2/repository/index").json()]:
            assert time.monotonic() < limit
        assert asked(server) == {("3", 5.0): 1}
        reasons = {line["version"]: line["reason"] for line in server.client.post("/v2/repository/index").json()}
        assert "not an ONNX model" in reasons["4"]
        assert server.client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({"X-Request-Timeout": "5"}, 200, None),
        ({"X-Request-Timeout": "1e-9"}, 504, None),
        ({"X-Request-Timeout": "soon"}, 400, "X-Request-Timeout"),
        ({"X-Request-Timeout": "-1"}, 400, "X-Request-Timeout"),
        ({"X-Priority": "high"}, 200, None),
        ({"X-Priority": "urgent"}, 400, "X-Priority"),
    ],
)
def test_what_a_caller_may_wish(server: Any, headers: dict[str, str], status: int, field: str | None) -> None:
    answer = server.client.post("/v2/models/iris/infer", json=X, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json().get("field") == field


def test_what_one_process_has_come_to_can_be_told_to_another(build: Any, versions: Path) -> None:
    build.add(versions / "add" / "1" / "model.onnx")
    here, there = (Repository([versions], Settings(tune_seconds=0)) for _ in range(2))
    here.steer("iris", lambda traffic: traffic.promoted("1").split("2", 10))
    here.load("iris")
    here.unload("add")
    for order in standing(here):
        order.carry_out(there)
    assert there.traffic("iris") == here.traffic("iris") == Traffic("1", "2", "2", 10)
    assert [entry.reason for entry in there.index()] == [UNLOADED, "", ""]
    here.close()
    there.close()
