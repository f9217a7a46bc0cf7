"""The trial run: what takes its process down takes nothing else down, and is told in a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from lampion_edge import RefusedError
from lampion_edge.update.trial import trial

Build = Callable[..., bytes]


def test_a_good_one(digits_path: Path) -> None:
    done = trial(digits_path)
    assert done.said == "1 of 1 golden samples agree, bit for bit"
    assert done.latency > 0


def test_without_golden_samples_it_only_has_to_run(digits: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(digits({}))
    assert trial(tmp_path / "m.onnx").said == "nothing to replay: the file carries no golden samples"


@pytest.mark.parametrize(
    ("budget", "content", "sentence"),
    [
        (1e-6, None, r"[\d.]+ ms a call, expected at most 1e-06 ms"),
        (None, b"no model", ".*: not an ONNX model, or a damaged one"),
    ],
)
def test_too_slow_or_no_model(
    digits_path: Path, tmp_path: Path, budget: float | None, content: bytes | None, sentence: str
) -> None:
    (tmp_path / "m.onnx").write_bytes(content or digits_path.read_bytes())
    with pytest.raises(RefusedError, match=f"^the trial run failed: {sentence}"):
        trial(tmp_path / "m.onnx", budget)


def endless(build: Build) -> bytes:
    """Turns around almost for ever."""
    turn = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["on"])],
        "turn",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "yes"], [], body=turn),
        helper.make_node("Identity", ["x"], ["y"]),
    ]
    # A Loop without outputs would be left out: its body hands the flag on.
    turn.node.append(helper.make_node("Identity", ["going"], ["kept"]))
    turn.input.append(helper.make_tensor_value_info("before", TensorProto.BOOL, []))
    turn.output.append(helper.make_tensor_value_info("kept", TensorProto.BOOL, []))
    nodes[0] = helper.make_node("Loop", ["turns", "yes", "yes"], ["last"], body=turn)
    weights = {"turns": np.array(2**60), "yes": np.array(True)}
    values = {"x": (TensorProto.FLOAT, ["batch"])}
    return build(nodes, values, {"y": (TensorProto.FLOAT, ["batch"]), "last": (TensorProto.BOOL, [])}, weights)


def test_one_that_hangs(build: Build, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(endless(build))
    with pytest.raises(RefusedError, match=r"^the trial run failed: no end after 2 s$"):
        trial(tmp_path / "m.onnx", patience=2)


def test_one_that_hangs_ends_though_the_updater_was_killed(build: Build, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(endless(build))
    command = [sys.executable, "-P", "-m", "lampion_edge.update.trial_worker", tmp_path / "m.onnx", "0.5"]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGALRM


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("os.abort()", "its process died of SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "its process died of SIGSEGV"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "its process was killed, which the system does to one that needs more",
        ),
        (
            "raise ImportError('no wheel for this board')",
            "its process ended with code 1: ImportError: no wheel for this board",
        ),
    ],
)
def test_one_that_takes_its_process_down(
    digits_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, sentence: str
) -> None:
    """A runtime that dies on it, as onnxruntime has on some boards."""
    (tmp_path / "onnxruntime.py").write_text(f"import os, signal\n{body}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(RefusedError, match=f"^the trial run failed: {sentence}"):
        trial(digits_path)
