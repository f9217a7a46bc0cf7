"""`lampion card add`, `show`, `set`, as typed: a foreign file becomes one that labels photos."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_models import branching, classifier
from PIL import Image

from lampion_edge import ModelFile, Session
from lampion_edge.cli import main as lampion_edge
from lampion_edge.commands import Command, run_command
from lampion_export import commands, export

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def typed(command: Command, *arguments: str | Path) -> int:
    parser = ArgumentParser()
    command.arguments(parser)
    return run_command(command, parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("ant\nbee\ncat\ndog\n")
    return path


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_foreign_file_labels_photos(
    layout: str, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out, photo = classifier(tmp_path / "f.onnx", layout), tmp_path / "m.onnx", tmp_path / "photo.png"
    numbers = ["--mean", "0.5,0.4,0.3", "--std", "0.2,0.25,0.5"]
    assert typed(commands.CARD, "add", source, "-o", out, "--name", "animals", "--labels", labels, *numbers) == 0
    Image.fromarray(IMAGE).save(photo)
    capsys.readouterr()
    assert lampion_edge(["run", str(out), str(photo), "--top", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["labels"][0]
    by_hand = ((IMAGE / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.5]).astype(np.float32)[None]
    want = Session(source)(by_hand if layout == "nhwc" else by_hand.transpose(0, 3, 1, 2))[0]
    assert shown["label"] == ["ant", "bee", "cat", "dog"][want.argmax()]
    assert shown["probability"] == pytest.approx(want.max(), rel=1e-4)


def test_bytes_that_stay_bytes(tmp_path: Path) -> None:
    source, out = classifier(tmp_path / "f.onnx"), tmp_path / "m.onnx"
    assert typed(commands.CARD, "add", source, "-o", out, "--scale", "1", "--std", "100,100,100") == 0
    want = Session(source)((IMAGE / 100).astype(np.float32).transpose(2, 0, 1)[None])
    np.testing.assert_allclose(Session(out)(IMAGE[None]), want, rtol=1e-4, atol=1e-6)


def test_show_and_set(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    typed(commands.CARD, "add", classifier(tmp_path / "f.onnx"), "-o", path, "--resize", "32,32", "--licence", "MIT")
    before = ModelFile.open(path)
    assert typed(commands.CARD, "set", path, "--labels", labels, "--description", "four animals") == 0
    capsys.readouterr()
    assert typed(commands.CARD, "show", path) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["labels"], card["description"], card["licence"]) == (
        ["ant", "bee", "cat", "dog"],
        "four animals",
        "MIT",
    )
    after = ModelFile.open(path)
    assert after.graph == before.graph
    assert after.metadata["lampion.golden"] == before.metadata["lampion.golden"]
    session = Session(path)
    assert session.card.preprocessing is not None
    assert session.card.outputs[0].meaning == "probabilities"
    assert session.verify().ok


def test_set_keeps_weights_beside_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lampion import nn

    path = tmp_path / "m.onnx"
    export(nn.Linear(64, 32), (2, 64), path, external_data=True, quiet=True)
    assert typed(commands.CARD, "set", path, "--name", "other") == 0
    assert (Session(path).name, Session(path).verify().ok) == ("other", True)
    (tmp_path / "elsewhere").mkdir()
    assert typed(commands.CARD, "set", path, "--name", "third", "-o", tmp_path / "elsewhere" / "m.onnx") == 1
    assert "whose weights lie beside it" in capsys.readouterr().err


REFUSED: list[tuple[str, Any, list[str], str]] = [
    ("add", classifier, ["--labels", "none.txt"], "none.txt: can't be read"),
    ("add", classifier, ["--card", "labels.txt"], "--card labels.txt"),
    ("add", classifier, ["--task", "image-classification"], "a photo comes as uint8"),
    ("add", branching, ["--resize", "32,32"], "expected --layout nchw or nhwc"),
    ("add", branching, ["--samples", "labels.txt"], "--samples labels.txt: expected an .npz"),
    ("add", branching, ["--meaning", "z=logits"], "no input or output 'z'"),
    ("set", branching, ["--name", "x"], "has no card yet"),
    ("set", branching, [], "nothing to change"),
]


@pytest.mark.parametrize(("verb", "make", "options", "message"), REFUSED)
def test_refusals(
    verb: str, make: Any, options: list[str], message: str, labels: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(labels.parent)
    make(Path("f.onnx"))
    before = Path("f.onnx").read_bytes()
    assert typed(commands.CARD, verb, "f.onnx", "-o", "m.onnx", *options) == 1
    assert message in capsys.readouterr().err
    assert not Path("m.onnx").exists()
    assert Path("f.onnx").read_bytes() == before


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    for options in (["--resize", "a,b"], ["--meaning", "logits"], ["--layout", "chw"]):
        with pytest.raises(SystemExit):
            typed(commands.CARD, "add", "f.onnx", "-o", "m.onnx", *options)


def test_info_draws_what_is_inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = branching(tmp_path / "f.onnx")
    picture = tmp_path / "graph.html"
    assert typed(commands.INFO, path, "--picture", picture) == 0
    shown = capsys.readouterr().out
    for line in (
        "ops         6 ops: And 1, Greater 1, If 1,",
        "parameters  2",
        "  then_branch",
        "    1 op: Mul 1",
        "drew",
    ):
        assert line in shown
    assert onnx.load(path).graph.node[3].op_type == "If"
    page = picture.read_text()
    assert page.count("then_branch") >= 1
    assert "<script>" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_info_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(commands.INFO, branching(tmp_path / "f.onnx"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["parameters"], found["ops"], found["card"]) == (2, 6, None)
    assert found["outline"][1] == "If"


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        typed(commands.INFO, "f.onnx", "--picture", "graph.png")


@pytest.mark.parametrize(("other", "code", "words"), [(2.0, 0, "the same"), (3.0, 1, "weight   two: max difference 1")])
def test_diff_tells_by_its_exit_code(
    other: float, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = branching(tmp_path / "f.onnx"), tmp_path / "b"
    b.mkdir()
    assert typed(commands.DIFF, a, branching(b / "f.onnx", other)) == code
    assert words in capsys.readouterr().out
    assert typed(commands.DIFF, a, b / "f.onnx", "--json") == code
    assert json.loads(capsys.readouterr().out)["same"] is (code == 0)


def test_diff_of_what_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = branching(tmp_path / "f.onnx")
    assert typed(commands.DIFF, a, tmp_path / "none.onnx") == 2
    assert "there is no such file" in capsys.readouterr().err
