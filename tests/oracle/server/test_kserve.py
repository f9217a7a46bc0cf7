"""KServe's clients, over HTTP and gRPC, against this server; `explain` they have for its version 1 protocol alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ANSWER = ["a-7", [[0, 2, 4], [8, 10, 12]]]
CALLS = {
    **dict.fromkeys(("rest live", "rest ready", "rest model ready"), True),
    **{f"rest infer {sent} {wanted}": ANSWER for sent in (True, False) for wanted in (True, False)},
    "rest wrong shape": 400,
    **dict.fromkeys(("grpc live", "grpc ready", "grpc model ready"), True),
    **dict.fromkeys(("grpc infer raw", "grpc infer typed"), ANSWER),
}


@pytest.fixture(scope="module")
def answers(running: Any) -> Any:
    script = Path(__file__).with_name("kserve_calls.py")
    command = [sys.executable, "-W", "ignore", script, running.url, f"127.0.0.1:{running.plane.grpc_port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", CALLS)
def test_a_call(answers: Any, name: str) -> None:
    assert answers[name] == CALLS[name]


def test_no_call_is_left_out(answers: Any) -> None:
    assert answers.keys() == CALLS.keys()
