"""`lampion bench http://...` against the real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from server.processes import running

from lampion_edge.cli import main
from lampion_server.keys import new_key, write_keys

QUICK = ("--seconds", "0.3", "--warm-up", "0.01")


def bench(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["bench", *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("--name", "iris"), 1),
        (("--name", "iris", "--payload", "json", "--batch", "1,3", "--connections", "1,2"), 4),
        (("--name", "iris", "--version", "1", "--rate", "50,100", "--arrivals", "poisson"), 2),
        (("--name", "echo_string", "--payload", "json"), 1),
        (("--name", "echo_float16", "--shape", "x=3,2"), 1),
        (("--name", "digits"), 1),
    ],
)
def test_tensors(server: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], lines: int) -> None:
    code, out, error = bench(capsys, server.url, *arguments, "--json", *QUICK)
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, error, len(told)) == (0, "", lines)
    for line in told:
        assert list(line["outcomes"]) == ["200"]
        assert line["throughput"] > 0
        assert line["max"] > 0


def test_photos_a_table_and_a_plot(server: Any, capsys: pytest.CaptureFixture[str], build: Any, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(build.photo(0))
    plot = tmp_path / "load.svg"
    code, out, error = bench(
        capsys, server.url, "--name", "digits", "--photo", tmp_path, "--rate", "60", "--plot", plot, *QUICK
    )
    assert (code, error) == (0, "")
    head, row = out.splitlines()[:2]
    assert head.split() == ["batch", "connections", "rate", "answers/s", "p50", "p90", "p99", "p99.9", "max", "failed"]
    assert row.split()[:3] == ["1", "64", "60"]
    assert row.split()[-1] == "0"
    assert "60 requests/s" in plot.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--name: expected the model to ask, among those served: add, "),
        (("--name", "lotus"), "there is no model 'lotus'"),
        (("--name", "iris", "--shape", "z=1,4"), "--shape: the model has no input 'z', it has x"),
        (("--name", "iris", "--shape", "x=1,5"), "inputs[0].shape: x is float32 [batch, 4], got [1, 5]"),
        (("--name", "echo_bfloat16"), "input 'x': numpy has no BF16"),
        (("--name", "echo_float16", "--payload", "json"), "inputs[0].data: FP16 can't be sent as JSON"),
        (("--name", "digits", "--photo", "none.png"), "none.png: can't be read"),
        (("--name", "digits", "--photo", "none.png", "--batch", "2"), "--photo: expected no --payload"),
        (("--name", "iris", "--plot", "load.png"), "--plot: expected a file name that ends in .svg"),
        (("--name", "iris", "--connections", "2000"), "--connections: expected at most 1000, got 2000"),
        (("--name", "iris", "--threads", "2"), "--threads: "),
        (("--name", "iris", "--ca", "none.pem"), "--ca: none.pem can't be read"),
    ],
)
def test_what_it_refuses(
    server: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code, out, error = bench(capsys, server.url, *arguments, *QUICK)
    assert (code, out) == (1, "")
    assert error.startswith(f"lampion: error: {said}")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1: no answer: "),
        ("http://127.0.0.1:99999", "url: expected http://host:port"),
        ("unix:/none.sock", "unix:/none.sock: no answer: "),
    ],
)
def test_nobody_there(capsys: pytest.CaptureFixture[str], target: str, said: str) -> None:
    code, out, error = bench(capsys, target, "--name", "m")
    assert (code, out) == (1, "")
    assert error.startswith(f"lampion: error: {said}")


def test_what_only_a_server_takes(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = bench(capsys, "model.onnx", "--rate", "5")
    assert (code, error) == (1, "lampion: error: --rate: model.onnx is a file, which has no such option\n")


def test_a_unix_socket_with_keys(build: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, key = new_key("shop", ["infer"])
    write_keys(tmp_path / "keys.json", [kept])
    path = tmp_path / "s.sock"
    quiet = ("--log-level", "warning")  # nobody reads the pipe that a line per request would fill
    with running(build.iris(tmp_path / "iris.onnx"), "--uds", path, "--keys", tmp_path / "keys.json", *quiet):
        code, _, error = bench(capsys, f"unix:{path}", "--key", key, *QUICK)
        assert (code, error) == (0, "")
        code, _, error = bench(capsys, f"unix:{path}", *QUICK)
        assert (code, error.splitlines()[0]) == (1, "lampion: error: expected an API key, got none")


def test_refusals_are_counted_by_status(
    build: Any, serve: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(build.iris(tmp_path / "iris.onnx"), rate_limit=5) as limited:
        code, out, _ = bench(capsys, limited.url, *QUICK)
    assert code in (0, 1)  # whether one of the five that a second allows fell into the time that counts
    assert "times 429: more than 5 requests a second" in out


def test_ctrl_c_shows_what_was_measured(server: Any) -> None:
    def answered() -> float:
        return server.metric("lampion_requests_total", model="iris", status="200")

    command = [sys.executable, "-m", "lampion_edge", "bench", server.url, "--name", "iris", "--seconds", "60", "--json"]
    before, end = answered(), time.monotonic() + 30
    with subprocess.Popen(
        [*command, "--warm-up", "0.01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background ignores it
    ) as process:
        while answered() < before + 200 and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (130, "")
    assert json.loads(out)["outcomes"]["200"] > 0
