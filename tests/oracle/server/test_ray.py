"""`lampion serve --ray`: two replicas on this machine speak the protocol as one server does, and one of them may die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import ray
import tritonclient.http as triton
from server.processes import family, run, running

from lampion_server.errors import StartupError
from lampion_server.on_ray import serving
from lampion_server.settings import Settings

X = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
V2 = "/v2/models/iris"
REQUESTS = {
    "metadata": ("GET", V2, None),
    "ready": ("GET", f"{V2}/versions/1/ready", None),
    "config": ("GET", f"{V2}/config", None),
    "infer": ("POST", f"{V2}/infer", X),
    "wrong input": ("POST", f"{V2}/infer", {"inputs": [X["inputs"][0] | {"name": "y"}]}),
    "no JSON": ("POST", f"{V2}/infer", None),
    "no such model": ("GET", "/v2/models/nobody", None),
    "no such route": ("GET", "/nowhere", None),
    "wrong verb": ("GET", f"{V2}/infer", None),
    "index": ("POST", "/v2/repository/index", None),
    "record": ("POST", "/v1/models/iris/predict", {"record": [1, 2, 3, 4]}),
    "document": ("GET", "/openapi.json", None),
}


@pytest.fixture(scope="module")
def models(build: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.iris(tmp_path_factory.mktemp("ray") / "iris.onnx")


@pytest.fixture(scope="module")
def on_ray(models: Path) -> Iterator[Any]:
    """The process and a client of its two replicas."""
    with (
        running(models, "--ray", "--replicas", 2, "--port", 0, "--tune-seconds", 0) as (process, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield process, client


@pytest.fixture(scope="module")
def alone(serve: Any, models: Path) -> Iterator[Any]:
    with serve(models, tune_seconds=0) as server:
        yield server.client


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_protocol(on_ray: Any, alone: Any, name: str) -> None:
    method, path, body = REQUESTS[name]
    answers = [client.request(method, path, json=body) for client in (on_ray[1], alone)]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers.keys() - {"date", "server"} == answers[1].headers.keys() - {"date", "server"}


def test_a_request_keeps_its_id(on_ray: Any) -> None:
    answer = on_ray[1].post(f"{V2}/infer", json=X, headers={"X-Request-Id": "a-7"})
    assert answer.headers["x-request-id"] == "a-7"


def test_tritonclient(on_ray: Any) -> None:
    tensor = triton.InferInput("x", [2, 4], "FP32")
    tensor.set_data_from_numpy(np.arange(8, dtype=np.float32).reshape(2, 4))
    with triton.InferenceServerClient(on_ray[1].base_url.netloc.decode()) as client:
        assert client.infer("iris", [tensor]).as_numpy("y").tolist() == [[0, 2, 4], [8, 10, 12]]


def infer(client: httpx.Client) -> httpx.Response:
    return client.post(f"{V2}/infer", json=X)


def who(client: httpx.Client) -> set[str]:
    """The replicas that answered requests."""
    return set(re.findall(r'lampion_requests_total\{model="iris",replica="(\w+)"', client.get("/metrics").text))


def eventually(truth: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not truth():
        assert time.monotonic() < end
        time.sleep(0.1)


def replicas(service: subprocess.Popen[str]) -> list[int]:
    """The process ids of its replicas that run."""
    found = []
    for pid in family(service):
        with suppress(OSError):  # it ended meanwhile
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::ServeReplica:lampion"):
                found.append(pid)
    return found


@pytest.fixture
def unloaded(on_ray: Any) -> Iterator[None]:
    """The model is unloaded in all replicas for as long as the test lasts."""
    assert on_ray[1].post("/v2/repository/models/iris/unload").json()[0]["state"] == "UNAVAILABLE"
    yield
    on_ray[1].post("/v2/repository/models/iris/load")


def test_both_answer_and_their_numbers_are_told_apart(on_ray: Any) -> None:
    def seen() -> bool:
        assert infer(on_ray[1]).json()["outputs"][0]["data"] == [2, 4, 6]
        return len(who(on_ray[1])) == 2

    eventually(seen)
    (stats,) = on_ray[1].get(f"{V2}/stats").json()["model_stats"]
    (own,) = on_ray[1].get(f"{V2}/stats").json()["model_stats"]
    assert stats["inference_count"] == own["inference_count"] >= 2  # whoever is asked, it is the sum of both


def test_replicas_are_as_urgent_as_any_process(on_ray: Any) -> None:
    """Ray has its workers give way to everybody: on a busy machine they took minutes to start."""
    niceness = {pid: os.getpriority(os.PRIO_PROCESS, pid) for pid in replicas(on_ray[0])}
    assert list(niceness.values()) == [os.getpriority(os.PRIO_PROCESS, 0)] * 2


@pytest.mark.usefixtures("unloaded")
def test_an_order_reaches_all(on_ray: Any) -> None:
    assert {infer(on_ray[1]).status_code for _ in range(20)} == {503}


@pytest.mark.usefixtures("unloaded")
def test_one_dies_and_the_service_goes_on(on_ray: Any) -> None:
    process, client = on_ray
    before = replicas(process)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    answers = [client.get("/v2/health/live").status_code for _ in range(100)]
    assert answers == [200] * 100
    eventually(lambda: len(set(replicas(process)) - {before[0]}) == 2)
    eventually(lambda: {infer(client).status_code for _ in range(20)} == {503})  # the new one was told, too
    client.post("/v2/repository/models/iris/load")
    eventually(lambda: {infer(client).status_code for _ in range(20)} == {200})


def test_a_model_that_does_not_load_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    done = run(tmp_path / "broken.onnx", "--ray", "--port", 0)
    lines = [line for line in done.stderr.splitlines() if line.startswith("lampion")]
    assert done.returncode == 1
    assert len(lines) <= 2
    assert "broken.onnx" in lines[0]


def test_more_replicas_than_cores(models: Path) -> None:
    done = run(models, "--ray", "--port", 0, "--replicas", 1000)
    assert done.returncode == 1
    assert "1000 replicas of 1 cores: expected at most" in done.stderr


def test_a_cluster_that_is_not_there(models: Path) -> None:
    done = run(models, "--ray", "--ray-address", "127.0.0.1:1")
    assert done.returncode == 1
    assert "setting ray_address: no Ray cluster at 127.0.0.1:1: Connection refused" in done.stderr


@pytest.mark.filterwarnings("ignore")  # of what Ray imports
def test_a_proxy_that_does_not_start_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(**options: object) -> None:
        raise ray.exceptions.RayError("The proxy died.\nIts name, its node, and so on")

    monkeypatch.setattr(serving, "_cluster", lambda settings: nullcontext(ray))
    monkeypatch.setattr("ray.serve.start", start)
    with pytest.raises(StartupError, match=r"^Ray Serve did not start: The proxy died\.$"):
        serving.serve(Settings(), 8000, print)


def test_a_signal_ends_all_of_it(on_ray: Any) -> None:
    process, _ = on_ray
    before = replicas(process)
    assert len(before) == 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert [pid for pid in before if Path(f"/proc/{pid}").exists()] == []
