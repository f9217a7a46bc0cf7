from __future__ import annotations

import json
import mmap
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from lampion_edge import METADATA_CARD, Card, Session, board
from lampion_edge.bench_worker import resident
from lampion_edge.samples import sample_inputs

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_json(lampion_edge_command: Run, digits_path: Path) -> None:
    done = lampion_edge_command(
        *("bench", digits_path, "--threads", "1,2", "--batch", "1,3", "--seconds", "0.01", "--json")
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["threads"], line["batch"]) for line in lines] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    for line in lines:
        assert 0 < line["p50"] <= line["p90"] <= line["p99"]
        assert line["calls"] > 0
        assert line["throughput"] > 0
        assert line["cold_start"] > line["p50"]
        assert line["memory"] is None or line["memory"] > 10_000_000
    assert (done.returncode, done.stderr) == (0, "")


def test_text(lampion_edge_command: Run, digits_path: Path) -> None:
    done = lampion_edge_command("bench", digits_path, "--threads", "1", "--seconds", "0.01")
    head, row = done.stdout.splitlines()
    assert head.split() == ["threads", "batch", "p50", "p90", "p99", "samples/s", "cold", "start", "memory"]
    assert row.split()[:2] == ["1", "1"]


def test_a_model_that_fails(lampion_edge_command: Run, build: Callable[..., bytes], tmp_path: Path) -> None:
    """The worker's error arrives as the command's own."""
    path = tmp_path / "m.onnx"
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    spec = (TensorProto.FLOAT, ["batch"])
    path.write_bytes(build(nodes, {"x": spec}, {"y": spec}, {"shape": np.array([7])}))
    done = lampion_edge_command("bench", path, "--seconds", "0.01")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("lampion: error: the model failed while it computed")


@pytest.fixture
def mixed(build: Callable[..., bytes]) -> Session:
    """Inputs of every kind that is made up differently."""
    kinds = {
        "text": (TensorProto.STRING, ["batch"]),
        "image": (TensorProto.UINT8, ["batch", 3]),
        "sound": (TensorProto.FLOAT, ["batch", "time"]),
        "index": (TensorProto.INT64, [4, None]),
        "half": (TensorProto.FLOAT16, []),
    }
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds]
    return Session(build(nodes, kinds, {f"{name}_out": spec for name, spec in kinds.items()}))


def test_made_up_inputs(mixed: Session) -> None:
    inputs = sample_inputs(mixed, 2, {"time": 5})
    shapes = {name: array.shape for name, array in inputs.items()}
    assert shapes == {"text": (2,), "image": (2, 3), "sound": (2, 5), "index": (4, 16), "half": ()}
    assert not inputs["index"].any()
    mixed.run(inputs)


def test_golden_inputs_are_preferred(digits_path: Path) -> None:
    session = Session(digits_path)
    assert session.golden is not None
    ((known, _),) = session.golden.samples
    inputs = sample_inputs(session, 5, {})
    np.testing.assert_array_equal(inputs["image"], known["image"][[0, 1, 0, 1, 0]])


def test_resident_memory_grows() -> None:
    before = resident()
    if before is None:
        pytest.skip("this system doesn't say")
    with mmap.mmap(-1, 50_000_000) as held:  # an array might be given memory that was freed before, and still counts
        held.write(bytes(50_000_000))
        assert (resident() or 0) - before > 40_000_000


def test_sustained(lampion_edge_command: Run, digits_path: Path) -> None:
    done = lampion_edge_command("bench", digits_path, "--sustained", "0.0005", "--threads", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split()[1:3] == ["s:", "p50"]
    done = lampion_edge_command("bench", digits_path, "--sustained", "0.0005", "--json")
    assert {"seconds", "celsius", "mhz", "p50", "threads"} < json.loads(done.stdout).keys()


def test_the_figures_on_the_card(
    lampion_edge_command: Run, digits: Callable[..., bytes], card: Card, tmp_path: Path
) -> None:
    figures = {"latency_ms": {board.model(): 1e-6, "another board": 5.0}}
    (tmp_path / "m.onnx").write_bytes(digits({METADATA_CARD: replace(card, metrics=figures).to_json()}))
    done = lampion_edge_command("bench", tmp_path / "m.onnx", "--seconds", "0.01")
    assert f"the card says 1e-06 ms on {board.model()}: here " in done.stdout
    assert "another board" not in done.stdout
