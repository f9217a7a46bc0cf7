"""Files that others wrote, with a card: what they answer stays, photos go in, and what doesn't fit is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from foreign_models import branching, classifier, with_a_map
from PIL import Image

import lampion
from lampion import transforms
from lampion_edge import ModelError, Session
from lampion_export import ExportError, add_card

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.5]
LABELS = ["ant", "bee", "cat", "dog"]
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


def photo_to(layout: str = "nchw", size: Any = (32, 32)) -> transforms.Compose:
    last = [transforms.ToChannelsLast()] if layout == "nhwc" else []
    scaled = transforms.ToDtype(lampion.float32, scale=True)
    normalize = transforms.Normalize(MEAN, STD)
    return transforms.Compose([transforms.Resize(size), scaled, transforms.ToChannelsFirst(), normalize, *last])


@pytest.mark.parametrize("batch", ["n", None, 1])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("opset", "ir_version"), [(8, 3), (11, 4), (21, 10)])
def test_photos_go_into_a_classifier(
    layout: str, batch: int | str | None, opset: int, ir_version: int, tmp_path: Path
) -> None:
    path = classifier(tmp_path / "f.onnx", layout, batch, opset, ir_version)
    card = {"name": "animals", "labels": LABELS}
    exported = add_card(path, tmp_path / "m.onnx", card=card, transform=photo_to(layout), quiet=True)
    session = Session(tmp_path / "m.onnx")
    assert session.card == exported.card
    assert session.card.task == "image-classification"
    assert session.card.outputs[0].meaning == "probabilities"
    assert session.verify().ok
    by_hand = ((IMAGES / 255 - MEAN) / STD).astype(np.float32)
    turned = by_hand.transpose(0, 3, 1, 2) if layout == "nchw" else by_hand
    plain = onnxruntime.InferenceSession(path)
    want = np.concatenate([plain.run(None, {"pixels": row[None]})[0] for row in turned])
    got = np.concatenate([session.run({"image": row[None]})["p"] for row in IMAGES])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert len(session.predict_many([IMAGES[0], IMAGES[1]])) == 2


def test_a_file_with_branches_and_a_scalar(tmp_path: Path) -> None:
    card = add_card(branching(tmp_path / "f.onnx"), tmp_path / "m.onnx", quiet=True).card
    assert (card.task, card.name, card.training) == ("tensor", "m", {"framework": "somebody", "parameters": 2})
    assert [str(spec) for spec in card.inputs] == ["float32 [rows, time]", "bool []"]
    assert Session(tmp_path / "m.onnx").verify().ok


def test_samples_that_are_given(tmp_path: Path) -> None:
    x = np.ones((1, 3), np.float32)
    add_card(branching(tmp_path / "f.onnx"), tmp_path / "m.onnx", examples={"x": x, "on": True}, quiet=True)
    golden = Session(tmp_path / "m.onnx").golden
    assert golden is not None
    np.testing.assert_array_equal(golden.samples[0][0]["x"], x)
    np.testing.assert_array_equal(golden.samples[0][1]["y"], 2 * x)


def test_what_the_file_said_of_itself_stays(tmp_path: Path) -> None:
    path = branching(tmp_path / "f.onnx")
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"author": "somebody"})
    onnx.save(model, path)
    add_card(path, path, quiet=True)
    assert {p.key for p in onnx.load(path).metadata_props} == {"author", "lampion.card", "lampion.golden"}


def test_weights_beside_the_file(tmp_path: Path) -> None:
    model = onnx.load(classifier(tmp_path / "plain.onnx"))
    (tmp_path / "in").mkdir()
    onnx.save(model, tmp_path / "in" / "f.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "out").mkdir()
    add_card(tmp_path / "in" / "f.onnx", tmp_path / "out" / "m.onnx", quiet=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m.onnx"]
    x = np.ones((1, 3, 32, 32), np.float32)
    np.testing.assert_array_equal(Session(tmp_path / "out" / "m.onnx")(x), Session(tmp_path / "plain.onnx")(x))


def test_a_photo_through_the_file(tmp_path: Path) -> None:
    add_card(classifier(tmp_path / "f.onnx"), tmp_path / "m.onnx", transform=photo_to(), quiet=True)
    Image.fromarray(IMAGES[0]).resize((50, 40)).save(tmp_path / "photo.png")
    labels = Session(tmp_path / "m.onnx").predict(tmp_path / "photo.png").labels
    assert sum(label.probability for label in labels) == pytest.approx(1)


REFUSED: list[tuple[str, Callable[[Path], Path], dict[str, Any], type[Exception], str]] = [
    ("labels too few", classifier, {"card": {"labels": ["a"]}, "transform": photo_to()}, ExportError, "expected 4"),
    ("another layout", classifier, {"transform": photo_to("nhwc")}, ExportError, r"3, 32, 32\], got float32 \[2, 32"),
    ("another size", classifier, {"transform": photo_to(size=(16, 16))}, ExportError, "what input 'pixels' takes"),
    ("no size", classifier, {"transform": photo_to(size=32)}, ExportError, "bring every photo to one size"),
    ("no transform", classifier, {"card": {"task": "image-classification"}}, ExportError, "a photo comes as uint8"),
    ("two inputs", branching, {"transform": photo_to()}, ExportError, "one input, got 2"),
    ("no such input", branching, {"examples": {"z": [1.0]}}, ExportError, "no input 'z'; the inputs are x, on"),
    ("samples it refuses", branching, {"examples": {"x": ["a"]}}, ExportError, "no sample found .* input 'x'"),
    ("a map as output", with_a_map, {}, ExportError, "expected tensors in and out, got 'z'"),
    ("no model", lambda path: (path.write_text("hello"), path)[1], {}, ModelError, "not an ONNX model"),
    ("no transforms", classifier, {"transform": lambda x: x}, ExportError, "expected a lampion.transforms.Compose"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "make", "settings", "error", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_refusal_leaves_no_file(
    what: str, make: Any, settings: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "f.onnx")
    with pytest.raises(error, match=message):
        add_card(path, tmp_path / "m.onnx", **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["f.onnx"]
