from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from lampion_edge import METADATA_CARD, Card, CardError, Preprocessing, Resize, Session, TensorSpec
from lampion_edge.live.siblings import cheaper

ANY = ("batch", "height", "width", 3)
CARD = Card(
    name="mean",
    task="image-classification",
    inputs=(TensorSpec("image", "uint8", ANY, "photo"),),
    outputs=(TensorSpec("output", "float32", ("batch", 3), "probabilities"),),
    preprocessing=Preprocessing(resize=Resize((64, 64)), crop=(48, 48)),
    labels=("red", "green", "blue"),
)


@pytest.fixture
def model(build: Callable[..., bytes], tmp_path: Path) -> Callable[..., Session]:
    """A model that takes pictures of any size, with this in its card, in a folder."""

    def make(name: str, shape: Any = ANY, **changes: Any) -> Session:
        nodes = [
            helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["f", "axes"], ["output"], keepdims=0),
        ]
        inputs, outputs = {"image": (TensorProto.UINT8, shape)}, {"output": (TensorProto.FLOAT, ["batch", 3])}
        card = replace(CARD, inputs=(TensorSpec("image", "uint8", shape),), **changes)
        content = build(nodes, inputs, outputs, {"axes": np.int64([1, 2])}, {METADATA_CARD: card.to_json()})
        (tmp_path / name).write_bytes(content)
        return Session(tmp_path / name)

    return make


def test_sizes_and_siblings(model: Callable[..., Session], tmp_path: Path) -> None:
    model("small.onnx")
    session = model("big.onnx", extra={"sizes": [[32, 40], [16, 16]], "siblings": ["small.onnx"]})
    sessions = cheaper(session, tmp_path, None)
    assert [name for name, _ in sessions] == ["mean", "mean at 40 x 32", "mean at 16 x 16", "small.onnx"]
    photo = np.full((100, 100, 3), (10, 200, 30), np.uint8)
    assert [each.prepare(photo)["image"].shape[1:3] for _, each in sessions] == [(48, 48), (32, 40), (16, 16), (48, 48)]
    assert [each.predict(photo, top=1).labels[0].name for _, each in sessions] == ["green"] * 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extra": {"siblings": ["../small.onnx"]}}, "siblings: expected the name of a file beside the model"),
        ({"extra": {"siblings": [3]}}, "siblings: expected the name of a file beside the model, got 3"),
        ({"extra": {"siblings": ["other.onnx"]}}, "siblings: other.onnx knows other labels than mean"),
        ({"extra": {"sizes": [[32]]}}, r"sizes: expected \[height, width\], got \[32\]"),
        ({"extra": {"sizes": [[32, 32]]}, "shape": ("batch", 48, 48, 3)}, "sizes: the model takes pictures of one size only"),
    ],
)  # fmt: skip
def test_wrong_cards(model: Callable[..., Session], tmp_path: Path, changes: Any, words: str) -> None:
    model("other.onnx", labels=("one", "two", "three"))
    with pytest.raises(CardError, match=words):
        cheaper(model("big.onnx", **changes), tmp_path, None)
