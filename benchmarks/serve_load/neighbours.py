"""What a model's callers feel of changes: of its own versions, and of a large neighbour that is loaded again and again."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import numpy as np
from onnx import TensorProto, helper
from server.callers import calling, percentile
from server.conftest import save
from server.processes import running

from serve_load.processes import resident, workers
from serve_load.scene import RATE, Row, either, latencies, models, row
from serve_load.traffic import numbers

SWAPS, LAYERS, WIDTH = 20, 12, 2048  # 12 x 2048 x 2048 floats are 201 MB
ROUNDS, SECONDS = 8, 2.0


def swapped(folder: Path) -> list[Row]:
    """Twenty new versions, each taking the traffic at once, and two broken ones."""
    rows = []
    for workers_ in (1, 2):
        place = models(folder / str(workers_))
        with running(place, "--port", 0, "--workers", workers_, "--log-level", "error") as (_, url):
            took = []
            with calling(url, either, RATE) as tally, httpx.Client(base_url=url, timeout=60) as admin:
                for version in range(2, SWAPS + 2):
                    models(place, version)
                    for name in ("iris", "digits"):
                        started = time.monotonic()
                        admin.post(f"/v2/repository/models/{name}/load").raise_for_status()
                        took.append(time.monotonic() - started)
                    time.sleep(0.3)
                for name in ("iris", "digits"):
                    (place / f"{name}/99").mkdir()
                    whole = (place / f"{name}/1/model.onnx").read_bytes()
                    (place / f"{name}/99/model.onnx").write_bytes(whole[:200])
                    assert admin.post(f"/v2/repository/models/{name}/load").status_code == 503
                time.sleep(0.5)
        figures = f"a swap takes {min(took):.2f} to {max(took):.2f} s; {latencies(tally)}"
        name, held = (
            f"{SWAPS} swaps of each model and broken versions, workers: {workers_}",
            set(tally.outcomes) == {"right"},
        )
        rows.append(row(name, "no failed and no wrong answer", held, tally.outcomes, figures))
    return rows


def disturbed(folder: Path) -> list[Row]:
    """A small model's p99 alone and while a model of 200 MB is loaded beside it over and over, in turn."""
    file = large(folder / "large/1/model.onnx")
    loads, alone, beside = 0, list[float](), list[float]()
    with running(models(folder), "--port", 0, "--workers", 1, "--log-level", "error") as (process, url):
        with calling(url, numbers, RATE) as tally, httpx.Client(base_url=url, timeout=300) as admin:
            began = time.monotonic()
            time.sleep(1)
            for _ in range(ROUNDS):
                first = time.monotonic() - began
                time.sleep(SECONDS)
                middle = time.monotonic() - began
                while time.monotonic() - began - middle < SECONDS:
                    file.touch()  # or it would be taken for unchanged
                    admin.post("/v2/repository/models/large/load").raise_for_status()
                    loads += 1
                alone.append(percentile(tally.seconds("right", first, middle), 99))
                beside.append(percentile(tally.seconds("right", middle, time.monotonic() - began - 0.1), 99))
        held = max(resident(worker) for worker in workers(process.pid))
    ratios = sorted(loaded / calm for loaded, calm in zip(beside, alone, strict=True))
    figures = (
        f"p99 alone {milliseconds(alone)}, beside {loads} loads {milliseconds(beside)}: {percentile(ratios, 50):.2f} times "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}); {held:.0f} MB resident"
    )
    held = percentile(ratios, 50) <= 2 and set(tally.outcomes) == {"right"}
    wanted = "p99 stays below twice its own"
    return [row("a model of 200 MB is loaded beside", wanted, held, tally.outcomes, figures)]


def milliseconds(seconds: list[float]) -> str:
    """The middle one."""
    return f"{1000 * percentile(sorted(seconds), 50):.1f} ms"


def large(path: Path) -> Path:
    """Twelve layers of 2048 by 2048."""
    random = np.random.default_rng(0)
    weights = {f"w{i}": random.standard_normal((WIDTH, WIDTH), np.float32) / WIDTH for i in range(LAYERS)}
    names = ["x", *(f"h{i}" for i in range(LAYERS - 1)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(LAYERS)]
    ends = [(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in ("x", "y")]
    return save(path, nodes, [ends[0]], [ends[1]], constants=weights)
