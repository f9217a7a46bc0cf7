from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

DROPPED = """
import sys
from threading import Thread
from lampion_edge import Session
from lampion_edge.bench_worker import resident
def load():
    Session(sys.argv[1])
sizes = []
for _ in range(3):
    load()
    thread = Thread(target=load)  # which has a heap of its own
    thread.start()
    thread.join()
    sizes.append(resident())
print(sizes[-1] - sizes[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_a_session_that_is_dropped_leaves_nothing_behind(build: Callable[..., bytes], tmp_path: Path) -> None:
    spec = {"x": (TensorProto.FLOAT, [1, 1500])}
    weights = {"w": np.random.default_rng(0).standard_normal((1500, 1500)).astype(np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    (tmp_path / "m.onnx").write_bytes(build(nodes, spec, {"y": (TensorProto.FLOAT, [1, 1500])}, weights))
    command = [sys.executable, "-c", DROPPED, tmp_path / "m.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2_000_000
