"""Small models built on the spot: a digits classifier with card and golden samples, and whatever a test composes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

import lampion_edge
from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Card, Golden, ModelFile, Preprocessing, Resize, Session
from lampion_edge import TensorSpec as Spec

Build = Callable[..., bytes]


@pytest.fixture(scope="session")
def build() -> Build:
    """Serializes a graph of nodes; inputs and outputs as `name: (TensorProto type, shape)`."""

    def model(
        nodes: Sequence[NodeProto],
        inputs: Mapping[str, tuple[int, Any]],
        outputs: Mapping[str, tuple[int, Any]],
        weights: Mapping[str, Any] = {},
        metadata: Mapping[str, str] = {},
    ) -> bytes:
        ins = [helper.make_tensor_value_info(name, *spec) for name, spec in inputs.items()]
        outs = [helper.make_tensor_value_info(name, *spec) for name, spec in outputs.items()]
        initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
        graph = helper.make_graph(list(nodes), "graph", ins, outs, initializers)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        helper.set_model_props(proto, dict(metadata))
        return bytes(proto.SerializeToString())

    return model


@pytest.fixture(scope="session")
def card() -> Card:
    return Card(
        name="digits",
        task="image-classification",
        inputs=(Spec("image", "uint8", ("batch", 28, 28, 1), "photo"),),
        outputs=(Spec("output", "float32", ("batch", 10), "logits"),),
        preprocessing=Preprocessing("L", resize=Resize((28, 28))),
        labels=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        metrics={"accuracy": 0.9},
        licence="MIT",
    )


@pytest.fixture(scope="session")
def digits(build: Build, card: Card) -> Callable[..., bytes]:
    """The classifier's bytes: `digits()` complete, or with other metadata, or with a fixed batch."""
    weights = {"w": np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32), "c": np.float32(1 / 255)}
    nodes = [
        helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["f"], ["x"]),
        helper.make_node("Mul", ["x", "c"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "w"], ["output"]),
    ]

    def model(metadata: Mapping[str, str] | None = None, batch: int | str = "batch") -> bytes:
        inputs = {"image": (TensorProto.UINT8, [batch, 28, 28, 1])}
        outputs = {"output": (TensorProto.FLOAT, [batch, 10])}
        return build(nodes, inputs, outputs, weights, complete if metadata is None else metadata)

    complete: dict[str, str] = {}
    bare = model({})
    photos = np.random.default_rng(1).integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    known = Session(bare, threads=1).run({"image": photos})
    complete[METADATA_CARD] = replace(card, checksum=ModelFile.parse(bare).graph_checksum()).to_json()
    complete[METADATA_GOLDEN] = Golden((({"image": photos}, known),)).to_json()
    return model


@pytest.fixture(scope="session")
def digits_path(digits: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "digits.onnx"
    path.write_bytes(digits())
    return path


@pytest.fixture(scope="session")
def sounds_path(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one second at 8 kHz: is its mean below or above zero?"""
    sounds = Card(
        name="sounds",
        task="audio-classification",
        inputs=(Spec("sound", "float32", ("batch", 8000), "sound"),),
        outputs=(Spec("output", "float32", ("batch", 2), "logits"),),
        preprocessing=Preprocessing(extra={"rate": 8000}),
        labels=("below", "above"),
    )
    nodes = [helper.make_node("MatMul", ["sound", "w"], ["output"])]
    inputs, outputs = {"sound": (TensorProto.FLOAT, ["batch", 8000])}, {"output": (TensorProto.FLOAT, ["batch", 2])}
    weights = {"w": np.tile(np.float32([-0.01, 0.01]), (8000, 1))}
    path = tmp_path_factory.mktemp("sounds") / "sounds.onnx"
    path.write_bytes(build(nodes, inputs, outputs, weights, {METADATA_CARD: sounds.to_json()}))
    return path


@pytest.fixture(scope="session")
def lampion_edge_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the real `lampion-edge` in a process of its own."""

    def run(*args: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lampion_edge", *map(str, args)]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, cwd=cwd, env=absolute_path())
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def absolute_path() -> dict[str, str]:
    """The environment, with the way to lampion_edge also good in another folder."""
    return {**os.environ, "PYTHONPATH": str(Path(lampion_edge.__file__).parents[1])}
