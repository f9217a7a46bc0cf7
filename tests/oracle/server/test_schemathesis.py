"""schemathesis reads /openapi.json and sends thousands of requests that fit it, and that don't, to a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto

# Whether a request that fits its schema is accepted, JSON Schema can't tell: it has no words for data that has as many
# items as the shape multiplies to. All else is checked: no 5xx, documented statuses, content types and schemas, wrong
# requests refused, other verbs refused with the right Allow.
NOT_CHECKED = "positive_data_acceptance"
# Operations by their path, the requests made for each, and the fewest requests that must come together.
PARTS = {
    "infer": ("/infer$", 150, 2400),
    "predict": ("/predict$", 150, 1900),
    "the rest": ("^(?!.*(/infer|/predict|/unload)$)", 40, 700),
    "unload": ("/unload$", 40, 40),  # a server of its own: what is unloaded answers 503 everywhere else
}


@pytest.fixture
def small(serve: Any, build: Any, tmp_path: Path) -> Iterator[Any]:
    """A server of a model for each task, and of some that are odd: texts, halves, two inputs, no axis but the batch."""
    build.iris(tmp_path / "iris.onnx")
    build.signed(build.digits(tmp_path / "digits.onnx"))
    build.sounds(tmp_path / "sounds.onnx")
    build.table(tmp_path / "table.onnx")
    build.lookup(tmp_path / "lookup.onnx")
    build.add(tmp_path / "add.onnx")
    build.echo(tmp_path / "texts.onnx", TensorProto.STRING)
    build.echo(tmp_path / "halves.onnx", TensorProto.FLOAT16)
    with serve(tmp_path, max_body_bytes=1_000_000) as server:
        yield server


@pytest.mark.parametrize("part", PARTS)
def test_no_request_meets_a_fault_or_an_answer_that_is_not_documented(small: Any, tmp_path: Path, part: str) -> None:
    paths, examples, least = PARTS[part]
    command = [
        *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", f"{small.url}/openapi.json"),
        *("--include-path-regex", paths, "--checks", "all", "--exclude-checks", NOT_CHECKED),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--continue-on-failure"),
        *("--seed", "1", "--workers", "1", "--no-color", "--warnings", "off"),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path, env=os.environ | hooks)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    sent = re.search(r"^ *([\d,]+) generated", done.stdout, re.MULTILINE)
    assert sent, done.stdout[-2000:]
    print(part, sent[0])
    assert int(sent[1].replace(",", "")) >= least
