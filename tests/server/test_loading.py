"""A model on its way from its file to its first caller, beside others who want the cores."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from server.conftest import linux, save

from lampion_edge import Session
from lampion_edge.heap import apart
from lampion_server import loading
from lampion_server.loading import Loader
from lampion_server.settings import Settings
from lampion_server.sources import find


def loader(**settings: Any) -> Loader:
    return Loader(Settings(**settings), lambda name, rows, seconds: None)


def niceness(thread: str) -> int:
    """Beyond that of this thread; 0 for one that has just ended."""
    with suppress(ProcessLookupError):
        return os.getpriority(os.PRIO_PROCESS, int(thread)) - os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    return 0


def test_threads_that_serve_dont_stay_behind(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "usable_cores", lambda: 2)
    (source,) = find([build.iris(tmp_path / "iris.onnx")])
    before = set(os.listdir("/proc/self/task"))
    model = loader(threads=2, tune_seconds=0.01).load(source)
    assert model.plan.threads == 2
    end, new = time.monotonic() + 10, {"": 1}
    while any(new.values()) and time.monotonic() < end:  # a thread that was joined may take a moment to be gone
        new = {thread: niceness(thread) for thread in set(os.listdir("/proc/self/task")) - before}
    assert len(new) >= 2  # the scheduler's and onnxruntime's
    assert not any(new.values())
    model.scheduler.close()


@pytest.mark.skipif(not linux(6, 1), reason="Linux before 6.1 doesn't gather pages when asked to")
def test_weights_lie_on_huge_pages(tmp_path: Path) -> None:
    weights = {"w": np.random.default_rng(0).standard_normal((2048, 2048), np.float32)}
    ends = [(name, TensorProto.FLOAT, ["batch", 2048]) for name in ("x", "y")]
    save(
        tmp_path / "large.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], ends[:1], ends[1:], constants=weights
    )
    (source,) = find([tmp_path / "large.onnx"])
    before = on_huge_pages()
    with apart():
        model = loader(tune_seconds=0.01).load(source)
    assert on_huge_pages() - before > 0.8 * weights["w"].nbytes
    model.scheduler.close()


def test_for_a_small_model_nothing_is_moved(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moves = list[None]()
    monkeypatch.setattr(loading, "gather", lambda: moves.append(None))
    (source,) = find([build.iris(tmp_path / "iris.onnx")])
    loader(tune_seconds=0.01).load(source).scheduler.close()
    assert not moves


def on_huge_pages() -> int:
    """Bytes of this process that are."""
    (line,) = (line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if "AnonHugePages" in line)
    return 1024 * int(line.split()[1])


def test_the_cores_are_left_alone_between_turns_where_others_are_asked(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = list[float]()
    clocks = {name: getattr(time, name) for name in ("monotonic", "thread_time", "perf_counter")}
    monkeypatch.setattr(loading, "time", SimpleNamespace(sleep=pauses.append, **clocks))
    monkeypatch.setattr(loading, "_LATELY", 600.0)  # on a busy machine a second is soon over
    (source,) = find([build.iris(tmp_path / "iris.onnx")])
    loads = loader(tune_seconds=0.01, max_batch=1, instances=1, threads=1)
    first = loads.load(source)
    assert not pauses  # nobody was asked yet
    asyncio.run(first.submit({"x": np.zeros((1, 4), np.float32)}, None, None))
    loads.load(source).scheduler.close()
    assert pauses
    assert min(pauses) > 0
    first.scheduler.close()


def test_a_version_like_the_last_one_is_run_like_it(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[int]()

    class Counted(Session):
        def __init__(self, model: Path, *, threads: int) -> None:
            opened.append(threads)
            super().__init__(model, threads=threads)

    monkeypatch.setattr(loading, "Session", Counted)
    monkeypatch.setattr(loading, "usable_cores", lambda: 2)
    (source,) = find([build.iris(tmp_path / "iris.onnx")])
    loads = loader(tune_seconds=0.01)
    first = loads.load(source)
    assert {1, 2} <= set(opened)  # both ways were tried
    opened.clear()
    second = loads.load(source)
    assert set(opened) == {first.plan.threads} == {second.plan.threads}
    opened.clear()
    monkeypatch.setattr(type(source), "size", lambda self: 10**6)  # as if it were another model
    third = loads.load(source)
    assert {1, 2} <= set(opened)
    for model in (first, second, third):
        model.scheduler.close()


def test_a_load_ends_though_the_cores_are_never_free(build: Any, tmp_path: Path) -> None:
    loads, over = loader(tune_seconds=0.01, max_batch=1, instances=1, threads=1), threading.Event()

    def busy() -> None:
        while not over.is_set():
            with loads.cores.taken(loads.cores.total):
                time.sleep(0.01)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    (source,) = find([build.iris(tmp_path / "iris.onnx")])
    model = loads.load(source)
    over.set()
    for thread in threads:
        thread.join()
    assert model.plan.seconds
    model.scheduler.close()
