"""`export` as a user calls it: the file, its card, its golden samples, and every way to be told no."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import lampion
from lampion import nn, transforms
from lampion.ops import arithmetic
from lampion.optim import SGD
from lampion.tape import Primitive
from lampion.training import fit
from lampion_edge import ModelError, Session
from lampion_export import ExportError, MismatchError, UnsupportedError, convert, export, writing

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
X = np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype(np.float32)


def small() -> nn.Module:
    lampion.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )


def test_stock_onnxruntime_gives_what_ran(tmp_path: Path) -> None:
    model = small().eval()
    export(model, X, tmp_path / "m.onnx", quiet=True)
    got = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"input": X})[0]
    np.testing.assert_allclose(got, model(lampion.from_numpy(X)).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_batch_norm_is_folded_into_the_convolution(tmp_path: Path) -> None:
    export(small(), X, tmp_path / "m.onnx", quiet=True)
    ops = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert ops[:2] == ["Conv", "Relu"]
    assert "BatchNormalization" not in ops


def test_parameters_keep_their_names(tmp_path: Path) -> None:
    export(nn.Sequential(nn.Embedding(5, 4)), np.array([[1, 2]]), tmp_path / "m.onnx", quiet=True)
    assert [i.name for i in onnx.load(tmp_path / "m.onnx").graph.initializer] == ["0.weight"]


def test_the_card_tells_what_the_transforms_do(tmp_path: Path) -> None:
    transform = transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((8, 8)),
            transforms.ToDtype(lampion.float32, scale=True),
            transforms.ToChannelsFirst(),
            transforms.Normalize([0.5], [0.25]),
        ]
    )
    model = small().eval()
    card = {"name": "digits", "labels": ["a", "b", "c"], "metrics": {"accuracy": 0.5}}
    exported = export(model, IMAGES, tmp_path / "m.onnx", card=card, transform=transform, quiet=True)
    session = Session(tmp_path / "m.onnx")
    assert session.card == exported.card
    assert session.card.task == "image-classification"
    assert session.card.preprocessing is not None
    assert session.card.preprocessing.color == "L"
    assert session.card.preprocessing.resize is not None
    assert session.card.preprocessing.resize.size == (8, 8)
    assert [str(i) for i in session.inputs] == ["uint8 [batch, 8, 8, 1]"]
    assert session.verify().ok
    by_hand = (IMAGES.astype(np.float32) / 255 - 0.5) / 0.25
    want = model(lampion.from_numpy(by_hand.transpose(0, 3, 1, 2).copy())).detach().numpy()
    np.testing.assert_allclose(session(IMAGES), want, rtol=1e-4, atol=1e-5)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        export(small(), X, tmp_path / name, card={"name": "same"}, quiet=True)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_several_inputs_and_outputs_by_name(tmp_path: Path) -> None:
    def function(x: Any, y: Any) -> dict[str, Any]:
        return {"total": x + y, "both": lampion.cat([x, y], 1)}

    a, b = X.reshape(4, 64), X.reshape(4, 64)[:, :3].copy()
    with pytest.raises(RuntimeError, match="broadcast"):
        export(function, (a, b), tmp_path / "m.onnx", quiet=True)
    export(function, (a, a), tmp_path / "m.onnx", quiet=True)
    total, both = Session(tmp_path / "m.onnx")(a, a)
    np.testing.assert_allclose(total, a + a)
    assert both.shape == (4, 128)


def test_the_table_is_printed_unless_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(small(), X, tmp_path / "m.onnx")
    out = capsys.readouterr().out
    assert "eager against exported" in out
    assert "batch = 1" in out
    assert f"wrote {tmp_path / 'm.onnx'}" in out


def random_in_eval(x: Any) -> Any:
    return x + lampion.rand(3)


def no_tensor(x: Any) -> Any:
    return 3.0


def needs_four(x: Any) -> Any:
    return x.reshape(4, 64)


class Doubled(Primitive):
    """An op that nobody wrote a converter for."""

    def forward(self, x: Any) -> Any:
        return 2 * x

    def infer(self, x: Any) -> Any:
        return x


def refused(model: Any, example: Any = X, name: str = "m.onnx", **settings: Any) -> Any:
    """A call that `export` is to refuse, waiting for its folder."""
    return lambda folder: export(model, example, folder / name, **settings)


IMAGE = {"task": "image-classification"}
REFUSED = [
    ("a folder that is not there", refused(small(), name="none/m.onnx"), ExportError, "there is no folder"),
    ("a folder as path", refused(small(), name=""), ExportError, "is a folder"),
    ("an unknown field of the card", refused(small(), card={"nam": "x"}), ExportError, "no field 'nam'"),
    ("labels of another number", refused(small(), card=IMAGE | {"labels": ["a"]}), ExportError, "labels: expected 3"),
    ("an unknown task", refused(small(), card={"task": "magic"}), ExportError, "task"),
    ("labels that are no list", refused(small(), card={"labels": 5}), ExportError, "labels: expected a list, got 5"),
    ("labels that are no texts", refused(small(), card={"labels": [1]}), ExportError, "labels.0.: expected a text"),
    ("metrics that JSON can't hold", refused(small(), card={"metrics": {"f": small}}), ExportError, "got function"),
    ("metrics that are nan", refused(small(), card={"metrics": {"loss": float("nan")}}), ExportError, "NaN"),
    ("a card that is a text", refused(small(), card="digits"), ExportError, "expected a Card or a dict, got str"),
    (
        "a meaning of nothing",
        refused(small(), card={"meaning": {"logits": "x"}}),
        ExportError,
        "names are input, output",
    ),
    (
        "a name that no disk takes",
        refused(small(), name="m" * 300),
        ExportError,
        "can't be written: File name too long",
    ),
    ("a transform of another kind", refused(small(), transform=nn.Identity()), ExportError, "transforms.Compose"),
    ("an op without converter", refused(lambda x: Doubled()(x), (2, 3)), UnsupportedError, "doubled has no converter"),
    ("an opset nobody runs", refused(small(), opset=3), ExportError, "opset: expected"),
    (
        "random numbers",
        refused(random_in_eval, (2, 3), opset=22),
        UnsupportedError,
        "uniform can't be exported at opset 22",
    ),
    ("no tensor returned", refused(no_tensor, (2, 3)), ExportError, "return Tensors, got float"),
    (
        "an axis that the model contradicts",
        refused(small(), dynamic={"input": {1: "channels"}}),
        RuntimeError,
        "channels",
    ),
    ("a batch that the model fixes", refused(needs_four), ExportError, "'batch' cannot vary"),
    (
        "a transform around a function",
        refused(no_tensor, transform=transforms.Compose([])),
        ExportError,
        "to be a Module",
    ),
]


@pytest.mark.parametrize(("what", "call", "error", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_refusal_is_one_sentence_and_leaves_no_file(
    what: str, call: Any, error: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converters = dict(convert._converters)
    converters[arithmetic.Add] = converters[arithmetic.Sub]
    monkeypatch.setitem(convert._converters, arithmetic.Add, lambda g, op, x, y: g.typed("Sub", x, y))
    with pytest.raises(MismatchError, match="DIFFERS"):
        export(lambda x: x + 1.0, X, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_op_without_converter_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(convert._converters, arithmetic.Add)
    with pytest.raises(UnsupportedError, match="add has no converter"):
        export(lambda x: x + 1.0, X, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")
    with pytest.raises(UnsupportedError):
        export(random_in_eval, (2, 3), path, opset=22)
    assert path.read_bytes() == b"old"
    export(small(), X, path, quiet=True)
    assert Session(path).verify().ok
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_weights_beside_the_model(tmp_path: Path) -> None:
    lampion.manual_seed(0)
    exported = export(nn.Linear(64, 32), (4, 64), tmp_path / "m.onnx", external_data=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert (tmp_path / "m.onnx.data").stat().st_size == 64 * 32 * 4
    session = Session(exported.path)
    assert session.verify().ok
    assert session.card == exported.card
    (tmp_path / "m.onnx.data").write_bytes(b"\0" * 64 * 32 * 4)
    with pytest.raises(ModelError, match="not the one its card describes"):
        Session(exported.path)


def test_weights_too_many_for_one_file_go_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LARGEST", 64 * 32 * 4)
    export(nn.Linear(64, 32), (4, 64), tmp_path / "m.onnx", quiet=True)
    assert [i.data_location for i in onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.initializer] == [
        1,
        0,
    ]
    export(nn.Linear(64, 31), (4, 64), tmp_path / "n.onnx", quiet=True)
    assert not (tmp_path / "n.onnx.data").exists()


PROGRAM = """
import sys
import numpy as np
import lampion
from lampion import nn
from lampion_export import export
lampion.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
card = {"labels": ["a", "b", "c"], "metrics": {"loss": 0.5, "accuracy": 0.25}, "task": "image-classification"}
export(model, (4, 1, 8, 8), sys.argv[1], card=card, quiet=True, external_data=True)
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", PROGRAM, tmp_path / seed / "m.onnx"], env=environment, check=True)
    for name in ("m.onnx", "m.onnx.data"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_the_card_says_with_what_the_file_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    card = {"training": {"data": "8 x 8 digits", "numpy": "mine"}}
    training = export(small(), X, tmp_path / "m.onnx", card=card, quiet=True).card.training
    assert training == {
        "framework": f"lampion {lampion.__version__}",
        "python": platform.python_version(),
        "numpy": "mine",
        "parameters": 4 * 9 + 4 + 4 + 4 + 4 * 3 + 3,
        "data": "8 x 8 digits",
    }
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert export(small(), X, tmp_path / "m.onnx", quiet=True).card.training["date"] == "2023-11-14"


def test_the_card_says_how_fit_trained_the_model(tmp_path: Path) -> None:
    model = small()
    batches = [(lampion.from_numpy(X), lampion.tensor([0, 1, 2, 0]))]
    history = fit(model, batches, epochs=2, optimizer=SGD(model.parameters(), lr=0.1), progress=False)
    training = export(model, X, tmp_path / "m.onnx", quiet=True).card.training
    assert (training["epochs"], training["optimizer"], training["loss"]) == (2, "SGD", "cross_entropy")
    assert training["measured"] == history.epochs[-1]
    assert "epochs" not in export(small(), X, tmp_path / "n.onnx", quiet=True).card.training
