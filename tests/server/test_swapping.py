"""Versions that change while callers ask: every answer is given, and is that of the version it names."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from server.callers import Client, Tally, calling
from server.processes import running

from lampion_edge import Golden

TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 4]}
SAMPLE = np.array([[1, 2, 3, 4]], np.float32)


async def ask(client: Client, number: int) -> str:
    """Version v multiplies by v."""
    body = json.dumps({"inputs": [TENSOR | {"data": [number, 1, 2, 3]}]})
    answer = await client.post("/v2/models/iris/infer", body.encode())
    if answer.status != 200:
        return f"{answer.status}: {answer.body!r}"
    told = json.loads(answer.body)
    version = int(told["model_version"])
    return "right" if told["outputs"][0]["data"] == [version * number, version, 2 * version] else f"wrong: {told}"


def until_asked(tally: Tally, times: int) -> None:
    limit = time.monotonic() + 30
    while len(tally.times) < times:
        assert time.monotonic() < limit
        time.sleep(0.01)


def corrupted(build: Any, folder: Path) -> list[str]:
    """New versions that must not be served: cut off, not a model, another result than its golden sample."""
    whole = (folder / "iris/1/model.onnx").read_bytes()
    for version, content in (("901", whole[: len(whole) // 2]), ("902", b"no model")):
        (folder / "iris" / version).mkdir()
        (folder / "iris" / version / "model.onnx").write_bytes(content)
    golden = Golden((({"x": SAMPLE}, {"y": 3 * SAMPLE[:, :3]}),))
    build.iris(folder / "iris/903/model.onnx", scale=4, golden=golden)
    return ["901", "902", "903"]


@pytest.mark.parametrize(
    ("workers", "swaps", "rate"),
    [
        (1, 3, 50),
        pytest.param(1, 20, 200, marks=pytest.mark.thorough),
        pytest.param(2, 20, 200, marks=pytest.mark.thorough),
    ],
)
def test_swaps_under_load(build: Any, tmp_path: Path, workers: int, swaps: int, rate: float) -> None:
    folder = tmp_path / "models"
    build.iris(folder / "iris/1/model.onnx", scale=1)
    settings = ("--port", 0, "--workers", workers, "--tune-seconds", 0.02, "--log-level", "error")
    with running(folder, *settings) as (_, url), calling(url, ask, rate) as tally, httpx.Client(base_url=url) as admin:
        for version in range(2, swaps + 2):
            build.iris(folder / f"iris/{version}/model.onnx", scale=version)
            assert admin.post("/v2/repository/models/iris/load", timeout=60).status_code == 200
            assert admin.get("/v1/models/iris/traffic").json()["stable"] == str(version)
            until_asked(tally, 20 * version)
        bad = corrupted(build, folder)
        refused = admin.post("/v2/repository/models/iris/load", timeout=60)
        assert refused.status_code == 503
        assert all(version in refused.json()["error"] for version in bad)
        index = {line["version"]: line["state"] for line in admin.post("/v2/repository/index").json()}
        assert {index[version] for version in bad} == {"UNAVAILABLE"}
        assert admin.get("/v1/models/iris/traffic").json()["stable"] == str(swaps + 1)
    assert tally.outcomes.keys() == {"right"}
    print(dict(tally.outcomes))
