"""`run --lines`: one line in, one line of JSON out."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.processes import running
from edge.sounds import wav
from onnx import TensorProto, helper
from PIL import Image

from lampion_edge import Session

Run = Callable[..., subprocess.CompletedProcess[str]]
DIGIT = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(DIGIT).save(tmp_path / "a b.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return tmp_path


def asked(run: Run, model: Path, lines: list[str], *options: str, cwd: Path) -> tuple[list[dict[str, Any]], int]:
    done = run("run", model, "--lines", *options, stdin="\n".join(lines).encode(), cwd=cwd)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


@pytest.mark.parametrize("batch", ["1", "3", "64"])
def test_photos(lampion_edge_command: Run, digits_path: Path, folder: Path, batch: str) -> None:
    best = Session(digits_path).predict(DIGIT, top=1).labels[0].as_json()
    text = base64.b64encode((folder / "a b.png").read_bytes()).decode()
    lines = ["a b.png", '"a b.png"', "", json.dumps({"id": 7, "image": text}), '{"file": "a b.png", "id": "x"}']
    answers, code = asked(lampion_edge_command, digits_path, lines, "--top", "1", "--batch", batch, cwd=folder)
    assert [(answer["line"], answer.get("id")) for answer in answers] == [(1, None), (2, None), (4, 7), (5, "x")]
    assert [answer["labels"] for answer in answers] == [[pytest.approx(best)]] * 4
    assert code == 0


@pytest.mark.parametrize("batch", ["1", "64"])
def test_a_line_that_fails_is_answered_too(
    lampion_edge_command: Run, digits_path: Path, folder: Path, batch: str
) -> None:
    lines = ["nowhere.png", "a b.png", "broken.jpg", "{", "[1]", '{"id": 3, "image": 1}', '{"image": "%"}']
    answers, code = asked(lampion_edge_command, digits_path, lines, "--batch", batch, cwd=folder)
    assert [answer["line"] for answer in answers] == [*range(1, 8)]
    assert [answer.get("error", "none").split(" (")[0] for answer in answers] == [
        "nowhere.png: there is no such file",
        "none",
        "broken.jpg: the JPEG data is cut off or damaged",
        "not JSON, and no file's name either",
        *['expected a file\'s name, {"file": name} or {"image": base64}'] * 2,
        "image: not base64",
    ]
    assert answers[5]["id"] == 3
    assert code == 1


def test_arrays(lampion_edge_command: Run, build: Callable[..., bytes], tmp_path: Path) -> None:
    spec = (TensorProto.FLOAT, ["batch"])
    (tmp_path / "log.onnx").write_bytes(build([helper.make_node("Log", ["x"], ["y"])], {"x": spec}, {"y": spec}))
    np.save(tmp_path / "in.npy", np.float32([1]))
    lines = ["[1, 1]", '{"x": [-1]}', "in.npy", '{"z": 1}', '{"x": ["a"]}']
    answers, code = asked(lampion_edge_command, tmp_path / "log.onnx", lines, cwd=tmp_path)
    assert [answer.get("outputs", {}).get("y") for answer in answers] == [[0.0, 0.0], [None], [0.0], None, None]
    assert [answer.get("field") for answer in answers[3:]] == ["z", "x"]
    assert code == 1


def test_answers_come_as_lines_come(digits_path: Path, folder: Path) -> None:
    process = running("run", digits_path, "--lines", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(1, 4):
        process.stdin.write(f"{folder}/a b.png\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["line"] == number
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()


def test_sounds(lampion_edge_command: Run, sounds_path: Path, tmp_path: Path) -> None:
    for name, offset in (("a.wav", -0.5), ("b.wav", 0.5)):
        (tmp_path / name).write_bytes(wav(np.full(4000, offset)))
    done = lampion_edge_command("run", sounds_path, ".", "--top", "1", "--batch", "2", cwd=tmp_path)
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["a.wav", "below"], ["b.wav", "above"]]
    text = base64.b64encode((tmp_path / "b.wav").read_bytes()).decode()
    answers, _ = asked(lampion_edge_command, sounds_path, ["a.wav", json.dumps({"sound": text})], cwd=tmp_path)
    assert [answer["labels"][0]["label"] for answer in answers] == ["below", "above"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "expected inputs, or --lines"), (["x.png", "--lines"], "--lines reads stdin: leave the inputs out")],
)
def test_inputs_or_lines(lampion_edge_command: Run, digits_path: Path, arguments: list[str], words: str) -> None:
    done = lampion_edge_command("run", digits_path, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"lampion: error: {words}")
