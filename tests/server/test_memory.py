"""A memory budget: who was asked longest ago makes room, and comes back when it is asked; and what a model weighs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from lampion_server import DataPlane, Repository, Settings
from lampion_server.memory import usable_memory

ROW = np.ones((1, 100), np.float32)
X = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 100], "data": [1.0] * 100}]}
PIPELINE = 'inputs = ["x"]\nsteps = [{ model = "a", inputs = { x = "x" } }]\noutputs = { y = "a" }\n'


def wide(build: Any, path: Path) -> None:
    """A model of 40 kB."""
    node, weight = helper.make_node("MatMul", ["x", "w"], ["y"]), np.eye(100, dtype=np.float32)
    x, y = ("x", TensorProto.FLOAT, ["batch", 100]), ("y", TensorProto.FLOAT, ["batch", 100])
    build.save(path, [node], [x], [y], constants={"w": weight})


@pytest.fixture
def folder(build: Any, tmp_path: Path) -> Path:
    for name in "abc":
        wide(build, tmp_path / f"{name}.onnx")
    return tmp_path


@pytest.fixture
def tight(serve: Any, folder: Path) -> Iterator[Any]:
    """A server in whose budget two of three models fit."""
    with serve(folder, memory_budget=100_000, grpc_port=0) as server:
        yield server


def states(server: Any) -> dict[str, str]:
    return {line["name"]: line["state"] for line in server.client.post("/v2/repository/index").json()}


def ask(server: Any, name: str) -> Any:
    return server.client.post(f"/v2/models/{name}/infer", json=X)


def test_who_was_asked_longest_ago_makes_room_and_comes_back(tight: Any) -> None:
    assert sorted(states(tight).values()) == ["READY", "READY", "UNAVAILABLE"]
    for name in "abcabc":
        assert ask(tight, name).status_code == 200
    assert states(tight) == {"a": "UNAVAILABLE", "b": "READY", "c": "READY"}
    ask(tight, "b")
    ask(tight, "a")
    assert states(tight) == {"a": "READY", "b": "READY", "c": "UNAVAILABLE"}


def test_to_look_is_not_to_ask(tight: Any) -> None:
    (moved,) = [name for name, state in states(tight).items() if state == "UNAVAILABLE"]
    assert tight.client.get(f"/v2/models/{moved}/ready").status_code == 200
    assert tight.client.get("/v2/health/ready").status_code == 200
    assert states(tight)[moved] == "UNAVAILABLE"
    assert f'lampion_model_problem{{model="{moved}",reason="moved out of memory' in tight.client.get("/metrics").text


def test_many_who_ask_at_once_have_it_loaded_once(folder: Path) -> None:
    settings = Settings(tune_seconds=0, memory_budget=100_000)
    plane = DataPlane(Repository([folder], settings), settings)
    (moved,) = [entry.name for entry in plane.index() if entry.model is None]
    loads: list[str] = []
    load = plane.repository.bring_back
    plane.repository.bring_back = lambda name: (loads.append(name), load(name))[1]  # type: ignore[method-assign]

    async def one() -> None:
        from lampion_server.errors import UnavailableError

        try:
            await plane.infer(moved, None, {"x": ROW})
        except UnavailableError as error:
            await plane.bring_back(error)
            await plane.infer(moved, None, {"x": ROW})

    async def all_at_once() -> None:
        await asyncio.gather(*(one() for _ in range(20)))
        await plane.close()

    asyncio.run(all_at_once())
    assert loads == [moved]


def test_over_grpc(tight: Any) -> None:
    import grpc

    from lampion_server.grpc.schema import SERVICE, message

    (moved,) = [name for name, state in states(tight).items() if state == "UNAVAILABLE"]
    request, response = message("ModelInferRequest")(model_name=moved), message("ModelInferResponse")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 100]).contents.fp32_contents.extend([1.0] * 100)
    with grpc.insecure_channel(f"127.0.0.1:{tight.plane.grpc_port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/ModelInfer", type(request).SerializeToString, response.FromString)
        assert len(call(request).outputs[0].contents.fp32_contents) == 100


def test_a_pipeline_brings_its_models_back(serve: Any, folder: Path) -> None:
    (folder / "p.pipeline.toml").write_text(PIPELINE)
    with serve(folder, memory_budget=100_000) as server:
        for name in "bc":
            ask(server, name)
        assert states(server) == {"a": "UNAVAILABLE", "b": "READY", "c": "READY", "p": "READY"}
        assert ask(server, "p").status_code == 200
        assert states(server)["a"] == "READY"


def test_a_deadline_holds_while_it_is_loaded(folder: Path, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(folder, memory_budget=100_000) as server:
        (moved,) = [name for name, state in states(server).items() if state == "UNAVAILABLE"]
        over = threading.Event()
        monkeypatch.setattr(server.plane.repository, "bring_back", lambda _: over.wait())
        answer = server.client.post(f"/v2/models/{moved}/infer", json=X, headers={"X-Request-Timeout": "0.1"})
        over.set()
        assert answer.status_code == 504


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "1000\n"}, 1000),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "max\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max": "2000\n",
                "sys/fs/cgroup/a/b/memory.max": "3000\n",
            },
            2000,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu:/x\n4:memory:/a\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4000\n",
            },
            4000,
        ),
        ({}, None),
    ],
)
def test_limits_of_the_cgroup(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_memory(tmp_path) == (limit or usable_memory(tmp_path / "nothing"))


WIDTH, LAYERS = 2048, 4  # of 16 MiB each: as large as what glibc, once it was freed, would rather keep
PROGRAM = """
import os, sys
from lampion_server import Repository, Settings

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

repository = Repository([sys.argv[1]], Settings())
before = resident()
repository = Repository([sys.argv[1], sys.argv[2]], Settings())
for _ in range(3):
    repository.load("large")
print(resident() - before)
repository.close()
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_model_takes_about_what_it_weighs(build: Any, tmp_path: Path) -> None:
    small, large = build.iris(tmp_path / "small.onnx"), dense(build, tmp_path / "large.onnx")
    command = [sys.executable, "-c", PROGRAM, str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 1.9 * large.stat().st_size  # five times that, if what was freed isn't given back


def dense(build: Any, path: Path) -> Path:
    random = np.random.default_rng(0)
    weights = {f"w{i}": random.standard_normal((WIDTH, WIDTH), np.float32) / WIDTH for i in range(LAYERS)}
    names = ["x", *(f"h{i}" for i in range(LAYERS - 1)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(LAYERS)]
    x, y = ((name, TensorProto.FLOAT, ["batch", WIDTH]) for name in ("x", "y"))
    return build.save(path, nodes, [x], [y], constants=weights)
