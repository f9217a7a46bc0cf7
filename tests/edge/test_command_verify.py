from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Card, Golden, ModelFile

Run = Callable[..., subprocess.CompletedProcess[str]]
ZEROS = {"image": np.zeros((1, 28, 28, 1), np.uint8)}
RIGHT, WRONG = np.zeros((1, 10), np.float32), np.ones((1, 10), np.float32)


@pytest.mark.parametrize(
    ("outputs", "checksum", "code", "ok"),
    [
        ([RIGHT], "right", 0, True),
        ([RIGHT], "", 0, True),
        ([RIGHT, WRONG], "right", 1, False),
        ([RIGHT], "wrong", 1, True),
        ([], "right", 3, None),
        ([], "wrong", 1, None),
    ],
)
def test_exit_codes(
    lampion_edge_command: Run,
    digits: Callable[..., bytes],
    card: Card,
    tmp_path: Path,
    outputs: list[np.ndarray],
    checksum: str,
    code: int,
    ok: bool | None,
) -> None:
    sums = {"right": ModelFile.parse(digits()).graph_checksum(), "wrong": "sha256:" + "0" * 64, "": ""}
    metadata = {METADATA_CARD: replace(card, checksum=sums[checksum]).to_json()}
    if outputs:
        metadata[METADATA_GOLDEN] = Golden(tuple((ZEROS, {"output": output}) for output in outputs)).to_json()
    path = tmp_path / "m.onnx"
    path.write_bytes(digits(metadata))

    done = lampion_edge_command("verify", path, "--json")
    state = {"right": "ok", "wrong": "differs", "": "absent"}[checksum]
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], answer["checksum"]) == (code, ok, state)
    assert [sample["ok"] for sample in answer["samples"]] == [output is RIGHT for output in outputs]

    text = lampion_edge_command("verify", path)
    assert text.returncode == code
    assert f"checksum: {state}\n" in text.stdout
    assert text.stdout.count("differs") == (state == "differs") + (ok is False)


def test_text(lampion_edge_command: Run, digits_path: Path) -> None:
    assert lampion_edge_command("verify", digits_path, "--threads", "1").stdout == (
        "sample  max error\n"
        "0               0  ok\n"
        "checksum: ok\n"
        "1 of 1 golden samples agree, bit for bit\n"
    )  # fmt: skip
