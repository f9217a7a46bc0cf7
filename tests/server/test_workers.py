"""Several processes on one port: what one is told all know, what one loses the others replace."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from server.callers import Client, calling
from server.processes import family, run, running, starting

from lampion_server.orders import CANARY, LOAD, PROMOTE, UNLOAD, Order, lasting
from lampion_server.relay import Refusal

TENSOR = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two workers need two cores")


def children(process: subprocess.Popen[str]) -> list[int]:
    """The workers: the processes whose group is their own, below the supervisor's."""
    return [pid for pid, group in family(process).items() if pid == group and pid != process.pid]


async def ask(client: Client, number: int) -> str:
    answer = await client.post("/v2/models/iris/infer", json.dumps(TENSOR).encode())
    right = answer.status == 200 and json.loads(answer.body)["outputs"][0]["data"] == [2, 4, 6]
    return "right" if right else f"{answer.status}"


def until(condition: Any) -> None:
    """Waits, but not for ever."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_what_one_is_told_all_know(folder: Path) -> None:
    with running(folder / "iris.onnx", "--port", 0, "--workers", 2, "--log-level", "warning") as (process, url):
        assert len(children(process)) == 2

        def everywhere(path: str) -> set[int]:  # each time on a new connection, to whoever takes it
            return {httpx.get(url + path).status_code for _ in range(12)}

        assert httpx.post(f"{url}/v2/repository/models/iris/unload").status_code == 200
        assert everywhere("/v2/models/iris/ready") == {503}
        assert httpx.post(f"{url}/v2/repository/models/iris/load").status_code == 200
        assert everywhere("/v2/models/iris/ready") == {200}
        assert httpx.post(f"{url}/v2/repository/models/none/load").status_code == 404
        for _ in range(12):
            assert httpx.post(f"{url}/v2/models/iris/infer", json=TENSOR).json()["outputs"][0]["data"] == [2, 4, 6]
        (stats,) = httpx.get(f"{url}/v2/models/iris/stats").json()["model_stats"]
        assert stats["inference_stats"]["success"]["count"] == 12
        until(lambda: 'lampion_queue_seconds_count{model="iris"} 12.0' in httpx.get(f"{url}/metrics").text)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")


def test_connections_are_shared(folder: Path) -> None:
    """Opened now and then on an idle machine, most of them went to the same worker once: each must have its part."""

    def ask(caller: socket.socket) -> None:
        caller.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\n\r\n")

    with (
        running(folder / "iris.onnx", "--port", 0, "--workers", 2, "--log-level", "warning") as (process, url),
        ExitStack() as calls,
    ):
        address = urlsplit(url)
        callers = []
        for _ in range(64):
            callers.append(calls.enter_context(socket.create_connection((address.hostname or "", address.port or 0))))
            time.sleep(0.01)
        for worker in children(process):
            os.kill(worker, signal.SIGSTOP)
            try:
                for caller in callers:
                    ask(caller)
                until(lambda: len(select.select(callers, [], [], 0)[0]) >= 22)  # whom the other one has
            finally:
                os.kill(worker, signal.SIGCONT)
            for caller in callers:
                assert caller.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("who", ["all", "supervisor"])
def test_what_was_accepted_is_answered_whoever_is_told_to_end(folder: Path, tmp_path: Path, who: str) -> None:
    """Of a service all processes get the signal; a supervisor that is killed can't pass anything on."""
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1e5]}]}
    arguments = [folder / "spin.onnx", "--port", 0, "--workers", 2, "--max-batch", 1, "--log-level", "warning"]
    with running(*arguments, TMPDIR=str(tmp_path)) as (process, url), ThreadPoolExecutor(4) as callers:
        everybody = family(process)
        asked = [callers.submit(httpx.post, f"{url}/v2/models/spin/infer", json=body, timeout=60) for _ in range(4)]
        wait(asked, return_when=FIRST_COMPLETED)
        if who == "all":
            for pid in everybody:
                os.kill(pid, signal.SIGTERM)
        else:
            process.kill()
        assert [answer.result().status_code for answer in asked] == [200] * 4
        _, errors = process.communicate(timeout=60)  # its workers hold the other end as well
        assert (process.returncode, errors) == (0 if who == "all" else -signal.SIGKILL, "")
    until(lambda: not list(tmp_path.iterdir()))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_end_does_not_wait_for_models_that_are_loading(tmp_path: Path, build: Any, workers: int) -> None:
    build.spin(tmp_path / "spin.onnx", proof=3e7)  # a minute
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with starting(tmp_path / "spin.onnx", "--port", port, "--workers", workers, "--drain-timeout", 0) as process:
        until(lambda: httpx_status(f"http://127.0.0.1:{port}/v2/health/ready") == 503)
        with suppress(httpx.TimeoutException):  # an order that waits for it, and whose caller has left
            httpx.post(f"http://127.0.0.1:{port}/v2/repository/models/spin/load", timeout=0.2)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, output) == (0, "")
        assert "Traceback" not in errors


def test_a_signal_amid_the_start_of_the_workers_ends_it(folder: Path) -> None:
    threads = {"OPENBLAS_NUM_THREADS": "2"}  # a signal reaches whichever thread lets it in
    arguments = [folder / "iris.onnx", "--port", 0, "--workers", 2, "--log-level", "error"]
    with starting(*arguments, **threads) as process:
        until(lambda: len(family(process)) > 2)  # what workers are forked from is there, and imports what they need
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0


@pytest.mark.thorough
@pytest.mark.parametrize("keep", [True, False])
def test_a_killed_worker_is_replaced(folder: Path, keep: bool) -> None:
    with running(folder / "iris.onnx", "--port", 0, "--workers", 2, "--log-level", "error") as (process, url):
        httpx.post(f"{url}/v2/repository/models/iris/load")
        first = set(children(process))
        with calling(url, ask, 200, keep=keep) as tally:
            started = time.monotonic()
            until(lambda: tally.outcomes["right"] > 50)
            os.kill(min(first), signal.SIGKILL)
            until(lambda: min(first) not in children(process))
            gone, before = time.monotonic() - started, tally.outcomes["right"]
            until(lambda: len(set(children(process)) - first) == 1)
            until(lambda: tally.outcomes["right"] > before + 200)
        assert tally.outcomes.keys() <= {"right", "lost"}
        assert all(due < gone for what, due, _ in tally.times if what == "lost")  # what it was computing, and no more
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert re.fullmatch(
            r".* ERROR worker \d ended \(killed by SIGKILL\) after .* s; another starts in 0.0 s\n", errors
        )


@pytest.mark.thorough
def test_a_worker_that_starts_later_knows_what_was_ordered(folder: Path) -> None:
    with running(folder / "iris.onnx", "--port", 0, "--workers", 2, "--log-level", "error") as (process, url):
        httpx.post(f"{url}/v2/repository/models/iris/unload")
        first = children(process)
        for worker in first:
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(children(process)) == 2 and not set(first) & set(children(process)))
        assert {httpx.get(f"{url}/v2/models/iris/ready").status_code for _ in range(12)} == {503}


@pytest.mark.thorough
def test_a_worker_that_starts_later_answers_as_the_others_whatever_led_to_it(tmp_path: Path, build: Any) -> None:
    for version in ("1", "2"):
        build.iris(tmp_path / "iris" / version / "model.onnx", version=version)
    with running(tmp_path, "--port", 0, "--workers", 2, "--log-level", "error") as (process, url):

        def stable() -> dict[str, str]:
            """By worker, which begins its request ids with a word of its own; each time on a new connection."""
            answers = [httpx.get(f"{url}/v1/models/iris/traffic") for _ in range(12)]
            return {answer.headers["x-request-id"].split("-")[0]: answer.json()["stable"] for answer in answers}

        for steps, expected in ((["traffic/promote?version=1"], "1"), (["load"], "1"), (["unload", "load"], "2")):
            for step in steps:
                place = "v1/models" if "/" in step else "v2/repository/models"
                assert httpx.post(f"{url}/{place}/iris/{step}").status_code == 200
            before = stable()
            os.kill(children(process)[0], signal.SIGKILL)
            until(lambda known=before: set(stable()) - set(known))
            assert set((before | stable()).values()) == {expected}


@pytest.mark.thorough
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_accepted_is_lost_at_the_end(folder: Path, workers: int, keep: bool) -> None:
    arguments = [folder / "iris.onnx", "--port", 0, "--workers", workers, "--drain-delay", 0.5, "--log-level", "error"]
    with running(*arguments) as (process, url), calling(url, ask, 200, keep=keep) as tally:
        until(lambda: tally.outcomes["right"] > 50)
        process.send_signal(signal.SIGTERM)
        until(lambda: httpx_status(f"{url}/v2/health/ready") in (503, None))
        process.wait(timeout=60)
        time.sleep(0.1)
    assert process.returncode == 0
    assert tally.outcomes.keys() <= {"right", "refused"}
    assert tally.outcomes["refused"] > 0


def httpx_status(url: str) -> int | None:
    try:
        return httpx.get(url).status_code
    except httpx.HTTPError:
        return None


def test_a_server_whose_workers_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    done = run(tmp_path / "text.onnx", "--port", 0, "--workers", 2)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"lampion: error: {tmp_path}/text.onnx: not an ONNX model")


@pytest.mark.parametrize(
    ("orders", "left"),
    [
        ([Order(LOAD, "a"), Order(UNLOAD, "a")], [1]),
        ([Order(CANARY, "a", "2", 5), Order(PROMOTE, "a", "2"), Order(UNLOAD, "b")], [0, 1, 2]),
        ([Order(UNLOAD, "b"), Order(CANARY, "a", "2", 5), Order(LOAD, "a")], [0, 2]),
    ],
)
def test_what_lasts(orders: list[Order], left: list[int]) -> None:
    kept: list[Order] = []
    for order in orders:
        kept = lasting(kept, order)
    assert kept == [orders[index] for index in left]


def test_an_error_crosses_processes() -> None:
    from lampion_server.errors import BadRequestError, OverloadedError, UnavailableError

    error = Refusal.of(BadRequestError("no", field="f", hint="h")).error()
    assert (type(error), str(error), error.field, error.hint) == (BadRequestError, "no", "f", "h")
    assert type(Refusal.of(OverloadedError("full", retry_after=3)).error()) is UnavailableError
