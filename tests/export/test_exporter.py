"""`export` as a user calls it: the file, its card, its golden samples, and every way to be told no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import lampion
from lampion import nn, transforms
from lampion.ops import arithmetic
from lampion_edge import Session
from lampion_export import ExportError, MismatchError, UnsupportedError, convert, export

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
    ("an opset nobody runs", refused(small(), opset=3), ExportError, "opset: expected"),
    ("random numbers", refused(random_in_eval, (2, 3)), UnsupportedError, "uniform can't be exported"),
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
        export(random_in_eval, (2, 3), path)
    assert path.read_bytes() == b"old"
    export(small(), X, path, quiet=True)
    assert Session(path).verify().ok
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
