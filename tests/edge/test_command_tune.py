from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Card, Session
from lampion_edge.bench_worker import Measured
from lampion_edge.command_tune import Trial, accurate, best
from lampion_edge.runtime import Settings

Run = Callable[..., subprocess.CompletedProcess[str]]


def trial(settings: Settings, p50: float, cold_start: float = 50) -> Trial:
    return Trial("m.onnx", settings, Measured(settings.threads, 9, p50, p50, p50, 1000 / p50, cold_start, None))


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([trial(Settings(1), 10), trial(Settings(2), 5)], 1),
        ([trial(Settings(1), 10), trial(Settings(2), 9.5)], 0),
        ([trial(Settings(1), 10), trial(Settings(2), 12)], 0),
        ([trial(Settings(2), 10), trial(Settings(2, spinning=True), 9.5)], 0),
        ([trial(Settings(2), 10, 200), trial(Settings(2, mapped="m"), 10.5, 50)], 1),
        ([trial(Settings(2), 10, 200), trial(Settings(2, mapped="m"), 12, 50)], 0),
        ([trial(Settings(2), 10, 200), trial(Settings(2, mapped="m"), 10, 195)], 0),
    ],
)
def test_what_costs_more_must_bring_more(trials: list[Trial], chosen: int) -> None:
    assert best(trials) is trials[chosen]


@pytest.mark.parametrize(
    ("record", "most", "fits"),
    [
        (None, None, True),
        ({"mode": "float16"}, 0.0, True),
        ({"float32": 0.94, "measured": 0.93, "bound": 0.02}, None, True),
        ({"float32": 0.94, "measured": 0.90, "bound": 0.02}, None, False),
        ({"float32": 0.94, "measured": 0.90, "bound": 0.02}, 0.1, True),
    ],
)
def test_accuracy(
    digits: Callable[..., bytes], card: Card, tmp_path: Path, record: Any, most: float | None, fits: bool
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(digits({METADATA_CARD: replace(card, quantization=record).to_json()}))
    assert accurate(path, most) is fits


@pytest.mark.thorough
def test_a_file_is_tuned(
    lampion_edge_command: Run, digits_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMPION_CACHE", str(tmp_path / "cache"))
    done = lampion_edge_command("tune", digits_path, "--seconds", "0.02")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "mapped, not prepacked" in done.stdout
    assert sum(line.startswith("*") for line in lines) == 1
    note = Path(next(line for line in lines if line.startswith("kept in ")).removeprefix("kept in "))
    threads = json.loads(note.read_text())["settings"]["threads"]
    done = lampion_edge_command("bench", digits_path, "--seconds", "0.02", "--json")
    assert json.loads(done.stdout)["threads"] == threads


def test_a_file_that_computes_something_else_is_not_tuned(
    lampion_edge_command: Run,
    digits: Callable[..., bytes],
    digits_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golden = Session(digits_path).golden
    assert golden is not None
    samples = tuple(
        (inputs, {name: array + 1 for name, array in outputs.items()}) for inputs, outputs in golden.samples
    )
    (tmp_path / "other.onnx").write_bytes(digits({METADATA_GOLDEN: replace(golden, samples=samples).to_json()}))
    monkeypatch.setenv("LAMPION_CACHE", str(tmp_path / "cache"))
    done = lampion_edge_command("tune", tmp_path / "other.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert "0 of 1 golden samples agree" in done.stderr
    assert not (tmp_path / "cache").exists()
