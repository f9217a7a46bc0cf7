from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from lampion_edge import Session

Run = Callable[..., subprocess.CompletedProcess[str]]
DIGIT = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two photos (one in a subfolder), a broken one, and a file that is none."""
    (tmp_path / "deep").mkdir()
    for name in ("a.png", "deep/b.png"):
        Image.fromarray(DIGIT).save(tmp_path / name)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "notes.txt").write_text("not a photo")
    return tmp_path


@pytest.fixture
def best(digits_path: Path) -> str:
    return Session(digits_path).predict(DIGIT).labels[0].name


def test_text(lampion_edge_command: Run, digits_path: Path, photos: Path) -> None:
    labels = Session(digits_path).predict(DIGIT, top=2).labels
    done = lampion_edge_command("run", digits_path, "a.png", "deep/b.png", "--top", "2", cwd=photos)
    width = max(len(label.name) for label in labels)
    cells = [f"{label.name:<{width}}  {label.probability:7.2%}" for label in labels]
    assert done.stdout.splitlines() == [
        f"a.png       {cells[0]}",
        f"            {cells[1]}",
        f"deep/b.png  {cells[0]}",
        f"            {cells[1]}",
    ]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("batch", ["1", "2", "16"])
@pytest.mark.parametrize("inputs", [["."], ["a.png", "broken.jpg", "deep/b.png"], ["*.png", "broken.jpg", "**/b.png"]])
def test_one_bad_file_does_not_stop_the_others(
    lampion_edge_command: Run, digits_path: Path, photos: Path, best: str, inputs: list[str], batch: str
) -> None:
    done = lampion_edge_command("run", digits_path, *inputs, "--batch", batch, "--json", cwd=photos)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == ["a.png", "deep/b.png"]
    assert {line["labels"][0]["label"] for line in lines} == {best}
    assert set(lines[0]) == {"file", "labels", "timings"}
    assert done.stderr.startswith("lampion: error: broken.jpg: the JPEG data is cut off or damaged")
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 1


def test_a_batch_shares_one_run(lampion_edge_command: Run, digits_path: Path, photos: Path) -> None:
    inputs = ["a.png", "deep/b.png", "a.png"]
    done = lampion_edge_command("run", digits_path, *inputs, "--batch", "2", "--json", cwd=photos)
    first, second, third = (json.loads(line)["timings"]["run"] for line in done.stdout.splitlines())
    assert first == second != third


def test_stdin(lampion_edge_command: Run, digits_path: Path, photos: Path, best: str) -> None:
    done = lampion_edge_command("run", digits_path, "-", "--top", "1", stdin=(photos / "a.png").read_bytes())
    assert done.stdout.split()[:2] == ["stdin", best]
    done = lampion_edge_command("run", digits_path, "-")
    assert done.returncode == 1
    assert "stdin: photo: expected an image, got 0 bytes" in done.stderr


def test_threshold(lampion_edge_command: Run, digits_path: Path, photos: Path) -> None:
    first, second = Session(digits_path).predict(DIGIT, top=2).labels
    between = str((first.probability + second.probability) / 2)
    done = lampion_edge_command("run", digits_path, "a.png", "--threshold", between, "--json", cwd=photos)
    assert [label["label"] for label in json.loads(done.stdout)["labels"]] == [first.name]
    done = lampion_edge_command("run", digits_path, "a.png", "--threshold", "1", cwd=photos)
    assert done.stdout == "a.png  no label is probable enough\n"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (["x.png"], "lampion: error: x.png: there is no such file"),
        (["*.gif"], "lampion: error: *.gif: there is no such file"),
        (["empty"], "lampion: error: nothing to run in empty\nhint: taken are .jpg"),
        (["notes.txt"], "lampion: error: notes.txt: not an image"),
    ],
)
def test_nothing_to_run(
    lampion_edge_command: Run, digits_path: Path, photos: Path, inputs: list[str], words: str
) -> None:
    (photos / "empty").mkdir()
    done = lampion_edge_command("run", digits_path, *inputs, cwd=photos)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(words)


def test_npy_is_a_photo_too(lampion_edge_command: Run, digits_path: Path, tmp_path: Path, best: str) -> None:
    np.save(tmp_path / "p.npy", DIGIT)
    (tmp_path / "q.npy").write_bytes(b"nothing")
    done = lampion_edge_command("run", digits_path, ".", "--top", "1", cwd=tmp_path)
    assert done.stdout.split()[:2] == ["p.npy", best]
    assert done.stderr.startswith("lampion: error: q.npy: not a readable .npy file")


# --- arrays ---


@pytest.fixture
def halves(build: Callable[..., bytes], tmp_path: Path) -> Path:
    """A model without a card: y = x / 2, and n as it comes."""
    nodes = [helper.make_node("Div", ["x", "two"], ["y"]), helper.make_node("Identity", ["n"], ["m"])]
    inputs = {"x": (TensorProto.FLOAT, ["batch"]), "n": (TensorProto.INT64, ["batch"])}
    outputs = {"y": (TensorProto.FLOAT, ["batch"]), "m": (TensorProto.INT64, ["batch"])}
    (tmp_path / "halves.onnx").write_bytes(build(nodes, inputs, outputs, {"two": np.float32(2)}))
    return tmp_path / "halves.onnx"


@pytest.fixture
def negative(build: Callable[..., bytes], tmp_path: Path) -> Path:
    """A model without a card and with one input: y = log(x)."""
    nodes = [helper.make_node("Log", ["x"], ["y"])]
    spec = (TensorProto.FLOAT, ["batch"])
    (tmp_path / "log.onnx").write_bytes(build(nodes, {"x": spec}, {"y": spec}))
    return tmp_path / "log.onnx"


def test_arrays(lampion_edge_command: Run, halves: Path) -> None:
    np.savez(halves.with_name("in.npz"), x=np.float32([1, 3]), n=np.int64([1, 2]))
    halves.with_name("in.json").write_text('{"x": [1, 3], "n": [1, 2]}')
    done = lampion_edge_command("run", halves, ".", "--json", cwd=halves.parent)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"file": name, "outputs": {"y": [0.5, 1.5], "m": [1, 2]}} for name in ("in.json", "in.npz")
    ]
    done = lampion_edge_command("run", halves, "in.npz", cwd=halves.parent)
    assert done.stdout == "in.npz  y  float32 [2]\n[0.5 1.5]\nin.npz  m  int64 [2]\n[1 2]\n"


def test_the_only_input_needs_no_name(lampion_edge_command: Run, negative: Path) -> None:
    np.save(negative.with_name("in.npy"), np.float32([1]))
    done = lampion_edge_command("run", negative, "in.npy", "-", "--json", stdin=b"[1, 1]", cwd=negative.parent)
    assert [json.loads(line)["outputs"]["y"] for line in done.stdout.splitlines()] == [[0.0], [0.0, 0.0]]


def test_json_has_no_nan(lampion_edge_command: Run, negative: Path) -> None:
    done = lampion_edge_command("run", negative, "-", "--json", stdin=b"[-1, 0, 1]")
    assert json.loads(done.stdout, parse_constant=pytest.fail)["outputs"]["y"] == [None, None, 0.0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{", "a.json: expected .npy, .npz or JSON"),
        ("a.json", b"[1]", "a.json: the model takes 2 inputs: pass an .npz or a JSON object with x, n"),
        ("a.json", b'{"x": [1]}', "a.json: input 'n' is missing"),
        ("a.json", b'{"x": [1.5], "n": [1.5]}', "a.json: input 'n': expected int64 [batch], got float64 [1]"),
        ("a.npy", b"\x93NUMPY\x01\x00", "a.npy: the model takes 2 inputs"),
        ("a.npz", b"PK\x03\x04", "a.npz: not a readable .npz file"),
        ("a.jpg", b"\xff\xd8\xff", "a.jpg: expected .npy, .npz or JSON"),
    ],
)
def test_bad_arrays(lampion_edge_command: Run, halves: Path, name: str, content: bytes, words: str) -> None:
    halves.with_name(name).write_bytes(content)
    done = lampion_edge_command("run", halves, name, cwd=halves.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"lampion: error: {words}")


def test_pickles_are_refused(lampion_edge_command: Run, negative: Path) -> None:
    hostile: Any = np.array([print], dtype=object)
    np.save(negative.with_name("in.npy"), hostile)
    done = lampion_edge_command("run", negative, "in.npy", cwd=negative.parent)
    assert done.stderr.startswith("lampion: error: in.npy: not a readable .npy file")
