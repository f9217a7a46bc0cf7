from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from lampion_edge.runtime import Settings

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

IDLE = """
import sys, time
import numpy as np
from lampion_edge import Session
session, x = Session(sys.argv[1], threads=2, spinning=sys.argv[2] == "spinning"), np.ones((1500, 1500), np.float32)
used = []
for _ in range(5):
    session(x)
    before = time.process_time()
    time.sleep(0.2)
    used.append(time.process_time() - before)
print(min(used))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_a_session_that_is_dropped_leaves_nothing_behind(build: Callable[..., bytes], tmp_path: Path) -> None:
    assert float(run(DROPPED, product(build, tmp_path))) < 2_000_000


@pytest.mark.parametrize("kind", ["spinning", "briefly"])
def test_threads_spin_during_a_call_alone(build: Callable[..., bytes], tmp_path: Path, kind: str) -> None:
    """Processor time: what two idle threads would burn is told by no clock on the wall."""
    assert float(run(IDLE, product(build, tmp_path), kind)) < 0.005


@pytest.mark.parametrize(
    ("version", "spinning", "allowed", "duration"),
    [("1.32.0", False, "1", "20"), ("1.26.0", False, "1", "20"), ("1.25.1", False, "0", None)]
    + [("1.32.0", True, "1", None), ("1.21.1", True, "1", None), ("2.0.0rc1", False, "1", "20")],
)
def test_threads_spin_briefly_where_onnxruntime_knows_how(
    version: str, spinning: bool, allowed: str, duration: str | None
) -> None:
    entries = Settings(2, spinning=spinning).entries(version)
    assert (entries["session.intra_op.allow_spinning"], entries.get("session.intra_op.spin_duration_us")) == (
        allowed,
        duration,
    )


def product(build: Callable[..., bytes], folder: Path) -> Path:
    """x @ w, with 9 MB of weights."""
    weights = {"w": np.random.default_rng(0).standard_normal((1500, 1500)).astype(np.float32)}
    x, y = ({name: (TensorProto.FLOAT, ["batch", 1500])} for name in "xy")
    path = folder / "m.onnx"
    path.write_bytes(build([helper.make_node("MatMul", ["x", "w"], ["y"])], x, y, weights))
    return path


def run(code: str, model: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, model, *arguments], capture_output=True, text=True, check=True
    ).stdout
