"""Small models, photos, and a real server on a loopback port."""

from __future__ import annotations

import io
import json
import platform
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
import uvicorn
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Golden
from lampion_edge.update.release import Release
from lampion_edge.update.signature import new_key, sign
from lampion_server import DataPlane, Repository, Settings, build_app
from lampion_server.metrics import Metrics

Value = tuple[str, int, list[int | str]]


def linux(*version: int) -> bool:
    """Whether this is a Linux at least as new."""
    return sys.platform == "linux" and tuple(map(int, platform.release().split(".")[:2])) >= version


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[Value],
    outputs: list[Value],
    *,
    constants: dict[str, np.ndarray] | None = None,
    card: dict[str, Any] | None = None,
    golden: Golden | None = None,
) -> Path:
    """Write a model of these nodes; values are (name, TensorProto type, shape)."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    properties = {}
    if card is not None:
        properties[METADATA_CARD] = json.dumps({"schema": 1, "inputs": [], "outputs": [], **card})
    if golden is not None:
        properties[METADATA_GOLDEN] = golden.to_json()
    helper.set_model_props(model, properties)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def iris(
    path: Path,
    *,
    name: str = "iris",
    version: str = "1",
    scale: float = 2.0,
    golden: Golden | None = None,
    checksum: str = "",
) -> Path:
    """`y = scale * x[:, :3]`, float32 [batch, 4] to [batch, 3]."""
    nodes = [
        helper.make_node("Slice", ["x", "start", "end", "axis"], ["part"]),
        helper.make_node("Mul", ["part", "scale"], ["y"]),
    ]
    constants = {name: np.array([value], np.int64) for name, value in (("start", 0), ("end", 3), ("axis", 1))}
    constants["scale"] = np.array(scale, np.float32)
    x, y = ("x", TensorProto.FLOAT, ["batch", 4]), ("y", TensorProto.FLOAT, ["batch", 3])
    specs = {
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 4]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": ["batch", 3]}],
    }
    card = {"name": name, "version": version, "task": "tensor", "checksum": checksum, **specs}
    return save(path, nodes, [x], [y], constants=constants, card=card, golden=golden)


def digits(path: Path, *, name: str = "digits", side: int = 4, golden: Golden | None = None) -> Path:
    """Labels a grey photo, 4x4 or of another side, `dark`, `mid` or `light` by its mean."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Sub", ["column", "centres"], ["apart"]),
        helper.make_node("Abs", ["apart"], ["distance"]),
        helper.make_node("Mul", ["distance", "slope"], ["output"]),
    ]
    constants = {
        "axes": np.array([1, 2, 3], np.int64),
        "last": np.array([1], np.int64),
        "centres": np.array([0, 128, 255], np.float32),
        "slope": np.array(-0.05, np.float32),
    }
    specs = {
        "inputs": [{"name": "image", "dtype": "uint8", "shape": ["batch", side, side, 1], "meaning": "photo"}],
        "outputs": [{"name": "output", "dtype": "float32", "shape": ["batch", 3], "meaning": "logits"}],
        "preprocessing": {"color": "L", "resize": {"size": [side, side]}},
        "labels": ["dark", "mid", "light"],
    }
    card = {"name": name, "version": "1", "task": "image-classification", **specs}
    image, output = ("image", TensorProto.UINT8, ["batch", side, side, 1]), ("output", TensorProto.FLOAT, ["batch", 3])
    return save(path, nodes, [image], [output], constants=constants, card=card, golden=golden)


def lookup(path: Path) -> Path:
    """`value = table[index]`: int64 [batch] to float32 [batch]; fails on an index over 3. Two rows share a batch."""
    nodes = [helper.make_node("Gather", ["table", "index"], ["value"])]
    constants = {"table": np.array([10, 11, 12, 13], np.float32)}
    index, value = ("index", TensorProto.INT64, ["batch"]), ("value", TensorProto.FLOAT, ["batch"])
    return save(path, nodes, [index], [value], constants=constants)


def echo(path: Path, kind: int, shape: list[int | str] | None = None, card: dict[str, Any] | None = None) -> Path:
    """Identity of one tensor of any type, `x` to `y`."""
    shape = ["batch", 2] if shape is None else shape
    return save(
        path, [helper.make_node("Identity", ["x"], ["y"])], [("x", kind, shape)], [("y", kind, shape)], card=card
    )


def add(path: Path) -> Path:
    """`sum = a + b`, float32 [batch, 2] each."""
    pair: list[Value] = [(name, TensorProto.FLOAT, ["batch", 2]) for name in ("a", "b")]
    return save(path, [helper.make_node("Add", ["a", "b"], ["sum"])], pair, [("sum", TensorProto.FLOAT, ["batch", 2])])


def spin(path: Path, *, proof: float | None = None) -> Path:
    """`y = x`, float32 [batch, 1], after as many turns of a loop as the largest x says: slow on demand.

    With `proof`, that many turns are its golden sample: slow to load.
    """
    nothing = helper.make_node("Identity", ["going"], ["on"])
    body = helper.make_graph(
        [nothing],
        "turn",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    body.node.append(helper.make_node("Cast", ["i"], ["trace"], to=TensorProto.FLOAT))
    body.output.append(helper.make_tensor_value_info("trace", TensorProto.FLOAT, []))
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "yes"], ["traces"], body=body),
        helper.make_node("ReduceSum", ["traces"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "nought"], ["nothing"]),
        helper.make_node("Add", ["x", "nothing"], ["y"]),
    ]
    constants = {"yes": np.array(True), "nought": np.array(0, np.float32)}
    shape: list[int | str] = ["batch", 1]
    x, y = ("x", TensorProto.FLOAT, shape), ("y", TensorProto.FLOAT, shape)
    array = np.array([[proof or 0]], np.float32)
    golden = Golden([({"x": array}, {"y": array})]) if proof else None
    return save(path, nodes, [x], [y], constants=constants, golden=golden)


def sounds(path: Path, samples: int | str = "time", rate: int = 8000) -> Path:
    """Labels a sound by its mean: `below`, `at` or `above` zero; float32 [batch, time] at 8000 Hz."""
    nodes = [
        helper.make_node("ReduceMean", ["wave", "last"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "slopes"], ["output"]),
    ]
    constants = {"last": np.array([1], np.int64), "slopes": np.array([-9, 0, 9], np.float32)}
    specs = {
        "inputs": [{"name": "wave", "dtype": "float32", "shape": ["batch", samples]}],
        "outputs": [{"name": "output", "dtype": "float32", "shape": ["batch", 3], "meaning": "logits"}],
        "preprocessing": {"rate": rate},
        "labels": ["below", "at", "above"],
    }
    card = {"name": path.stem, "version": "1", "task": "audio-classification", **specs}
    wave, output = ("wave", TensorProto.FLOAT, ["batch", samples]), ("output", TensorProto.FLOAT, ["batch", 3])
    return save(path, nodes, [wave], [output], constants=constants, card=card)


def logs(path: Path, *, golden: Golden | None = None) -> Path:
    """The logarithms of two values, which it takes for probabilities: of what is below 0 they are NaN."""
    nodes = [helper.make_node("Log", ["x"], ["y"])]
    specs = {
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 2]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": ["batch", 2], "meaning": "probabilities"}],
    }
    x, y = ("x", TensorProto.FLOAT, ["batch", 2]), ("y", TensorProto.FLOAT, ["batch", 2])
    card = {"name": "logs", "version": "1", "task": "tabular", **specs}
    return save(path, nodes, [x], [y], card=card, golden=golden)


def zipmap(path: Path) -> Path:
    """A classifier as scikit-learn's are converted: the label's number, and a sequence of maps that no protocol has."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"], axis=1),
        helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0),
        helper.make_node("ZipMap", ["p"], ["maps"], domain="ai.onnx.ml", classlabels_strings=["a", "b"]),
    ]
    kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])]
    label = helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"])
    outputs = [label, helper.make_value_info("maps", helper.make_sequence_type_proto(kind))]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 1)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def table(path: Path, features: Sequence[str] = ("a", "b", "c")) -> Path:
    """The largest of three columns `a`, `b`, `c` as probabilities of labels of these names, and their `sum`."""
    nodes = [
        helper.make_node("Softmax", ["row"], ["probabilities"], axis=-1),
        helper.make_node("ReduceSum", ["row", "last"], ["sum"], keepdims=0),
    ]
    row, last = {"name": "row", "dtype": "float32", "shape": ["batch", 3]}, np.array([1], np.int64)
    specs = {
        "inputs": [row],
        "outputs": [
            {"name": "sum", "dtype": "float32", "shape": ["batch"]},
            {"name": "probabilities", "dtype": "float32", "shape": ["batch", 3], "meaning": "probabilities"},
        ],
        "preprocessing": {"features": list(features)},
        "labels": ["a", "b", "c"],
    }
    card = {"name": "table", "version": "1", "task": "tabular", **specs}
    outputs: list[Value] = [
        ("sum", TensorProto.FLOAT, ["batch"]),
        ("probabilities", TensorProto.FLOAT, ["batch", 3]),
    ]
    return save(path, nodes, [("row", TensorProto.FLOAT, ["batch", 3])], outputs, constants={"last": last}, card=card)


def photo(value: int = 255, size: tuple[int, int] = (8, 8), format: str = "PNG", mode: str = "L") -> bytes:
    """An image file of one shade of grey."""
    buffer = io.BytesIO()
    Image.new("L", size, value).convert(mode).save(buffer, format)
    return buffer.getvalue()


def signed(path: Path) -> Path:
    """Signs a model with the key beside it, a new one if there is none; `release.pub` is what a device trusts."""
    key = path.with_name("release.key")
    if not key.exists():
        path.with_name("release.pub").write_text(new_key(key))
    path.with_name(f"{path.name}.sig").write_text(sign(Release.of(path), key).to_json())
    return path


class Builders:
    """The builders above, for tests, which can't import a conftest."""

    iris = staticmethod(iris)
    digits = staticmethod(digits)
    lookup = staticmethod(lookup)
    echo = staticmethod(echo)
    add = staticmethod(add)
    spin = staticmethod(spin)
    sounds = staticmethod(sounds)
    table = staticmethod(table)
    logs = staticmethod(logs)
    zipmap = staticmethod(zipmap)
    save = staticmethod(save)
    photo = staticmethod(photo)
    signed = staticmethod(signed)


@dataclass
class Served:
    """A running server: its address, a client of it, and the plane inside."""

    url: str
    client: httpx.Client
    plane: DataPlane

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value, 0 if nothing was recorded yet."""
        self.plane.metrics.settle()
        return self.plane.metrics.registry.get_sample_value(name, labels) or 0.0


Serve = Callable[..., Any]


@contextmanager
def served(*paths: Path, **settings: Any) -> Iterator[Served]:
    """A server in a thread, on a free port, for as long as the block lasts."""
    chosen = Settings(**{"tune_seconds": 0.02} | settings)
    metrics = Metrics()
    plane = DataPlane(Repository(paths, chosen, metrics.batch), chosen, metrics)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_app(plane), log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            yield Served(url, client, plane)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def build() -> type[Builders]:
    return Builders


@pytest.fixture(scope="session")
def serve() -> Serve:
    return served


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each model that the shared server serves."""
    folder = tmp_path_factory.mktemp("models")
    iris(folder / "iris.onnx")
    signed(digits(folder / "digits.onnx"))
    lookup(folder / "lookup.onnx")
    add(folder / "add.onnx")
    spin(folder / "spin.onnx")
    for name in ("BOOL", "INT8", "UINT64", "INT64", "FLOAT16", "BFLOAT16", "DOUBLE", "STRING", "FLOAT"):
        echo(folder / f"echo_{name.lower()}.onnx", getattr(TensorProto, name))
    return folder


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Served]:
    """A server that all tests of a session share; none may leave it other than it was."""
    with served(folder, max_body_bytes=1_000_000) as running:
        yield running
