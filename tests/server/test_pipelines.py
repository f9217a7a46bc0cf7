"""Pipelines: declared in a file, served like a model, as current as the models they ask."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from lampion_edge import ModelError
from lampion_server import Repository, Settings
from lampion_server.errors import StartupError
from lampion_server.pipelines.crop import cropped
from lampion_server.pipelines.declaration import Crop, Wire, read

# A detector, whose boxes a classifier looks at.
SHADES = """
description = "the shades in a photo"
inputs = ["photo"]

[[steps]]
name = "small"
crop = "photo"

[[steps]]
name = "detect"
model = "halves"
inputs = { image = "small" }

[[steps]]
name = "cut"
crop = "photo"
boxes = "detect.boxes"
scores = "detect.scores"
least = 0.5

[[steps]]
model = "digits"
inputs = { image = "cut" }

[outputs]
box = "cut.boxes"
score = "cut.scores"
shade = "digits.output"
"""
# An encoder and its head.
TWICE = """
version = "3"
inputs = ["row"]
steps = [
    { name = "encoder", model = "iris", inputs = { x = "row" } },
    { name = "head", model = "total", inputs = { y = "encoder.y" } },
]
outputs = { total = "head.sum", middle = "encoder.y" }
"""


def halves(build: Any, path: Path) -> Path:
    """A detector of 8x8 photos: the left half, the right half if the photo is light, and one box below any threshold."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "most"], ["lightness"]),
        helper.make_node("Unsqueeze", ["lightness", "first"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "first"], ["one"]),
        helper.make_node("Concat", ["fixed", "one"], ["scores"], axis=1),
        helper.make_node("Identity", ["places"], ["boxes"]),
    ]
    constants = {
        "axes": np.array([0, 1, 2, 3], np.int64),
        "first": np.array([0], np.int64),
        "most": np.array(255, np.float32),
        "fixed": np.array([[0.2, 0.9]], np.float32),
        "places": np.array([[[0, 0, 1, 1], [0, 0, 0.5, 1], [0.5, 0, 1, 1]]], np.float32),
    }
    image = ("image", TensorProto.UINT8, [1, 8, 8, 3])
    outputs = [("boxes", TensorProto.FLOAT, [1, 3, 4]), ("scores", TensorProto.FLOAT, [1, 3])]
    return build.save(path, nodes, [image], outputs, constants=constants)


def total(build: Any, path: Path) -> Path:
    """The sum of a row of three."""
    node, last = helper.make_node("ReduceSum", ["y", "last"], ["sum"], keepdims=0), np.array([1], np.int64)
    y, out = ("y", TensorProto.FLOAT, ["batch", 3]), ("sum", TensorProto.FLOAT, ["batch"])
    return build.save(path, [node], [y], [out], constants={"last": last})


@pytest.fixture
def folder(build: Any, tmp_path: Path) -> Path:
    """Four models and the two pipelines above."""
    build.digits(tmp_path / "digits.onnx")
    halves(build, tmp_path / "halves.onnx")
    for version in ("1", "2"):
        build.iris(tmp_path / "iris" / version / "model.onnx", scale=float(version))
    total(build, tmp_path / "total.onnx")
    (tmp_path / "shades.pipeline.toml").write_text(SHADES)
    (tmp_path / "twice.pipeline.toml").write_text(TWICE)
    return tmp_path


@pytest.fixture
def server(serve: Any, folder: Path) -> Iterator[Any]:
    with serve(folder, grpc_port=0, tune_seconds=0) as running:
        yield running


def two_shades(left: int, right: int) -> bytes:
    pixels = np.full((60, 100, 3), left, np.uint8)
    pixels[:, 50:] = right
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def sent(rows: list[list[float]]) -> dict[str, Any]:
    data = [value for row in rows for value in row]
    return {"inputs": [{"name": "row", "datatype": "FP32", "shape": [len(rows), 4], "data": data}]}


def inferred(server: Any, path: str = "/v2/models/twice/infer") -> Any:
    answer = server.client.post(path, json=sent([[1, 2, 3, 4], [0, 0, 1, 9]]))
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


# --- asking ---


def test_a_photo_becomes_objects(server: Any) -> None:
    answer = server.client.post("/v1/models/shades/predict?top=1", content=two_shades(0, 255))
    (told,) = answer.json()["predictions"]
    shown = [(one["box"], round(one["score"], 2), one["shade"][0]["label"]) for one in told["objects"]]
    assert shown == [([0, 0, 0.5, 1], 0.9, "dark"), ([0.5, 0, 1, 1], 0.5, "light")]


def test_a_photo_with_fewer_objects(server: Any) -> None:
    many = {"images": [two_shades(0, 0), two_shades(255, 255)]}
    files = [("photo", (f"{i}.png", photo)) for i, photo in enumerate(many["images"])]
    answer = server.client.post("/v1/models/shades/predict?top=1", files=files).json()
    shown = [[one["shade"][0]["label"] for one in told["objects"]] for told in answer["predictions"]]
    assert shown == [["dark"], ["light", "light"]]


def test_a_photo_with_none(server: Any, folder: Path) -> None:
    (folder / "shades.pipeline.toml").write_text(SHADES.replace("least = 0.5", "least = 2.0"))
    assert server.client.post("/v2/repository/models/shades/load").status_code == 200
    answer = server.client.post("/v1/models/shades/predict", content=two_shades(0, 255)).json()
    assert answer["predictions"] == [{"objects": []}]


def test_tensors_go_through_in_batches(server: Any) -> None:
    assert inferred(server) == {"total": [12, 2], "middle": [2, 4, 6, 0, 0, 2]}
    assert inferred(server, "/v2/models/twice/versions/3/infer")["total"] == [12, 2]
    assert server.client.post("/v1/models/twice/predict", json={"record": [1, 2, 3, 4]}).json()["predictions"] == [
        {"outputs": {"total": 12, "middle": [2, 4, 6]}}
    ]


def test_it_is_described_like_a_model(server: Any) -> None:
    client = server.client
    told = client.get("/v2/models/shades").json()
    assert told["platform"] == "pipeline"
    assert told["inputs"] == [{"name": "photo", "datatype": "UINT8", "shape": [1, -1, -1, 3]}]
    assert [(output["name"], output["shape"]) for output in told["outputs"]] == [
        ("box", [-1, 4]),
        ("score", [-1]),
        ("shade", [-1, 3]),
    ]
    assert client.get("/v2/models/twice/config").json()["max_batch_size"] == 0
    assert client.get("/v2/models/twice/ready").json()["ready"] is True
    names = [line["name"] for line in client.post("/v2/repository/index").json()]
    assert names == ["digits", "halves", "iris", "iris", "shades", "total", "twice"]
    document = client.get("/openapi.json").json()
    assert "/v1/models/shades/predict" in document["paths"]
    inferred(server)
    (stats,) = client.get("/v2/models/twice/stats").json()["model_stats"]
    assert (stats["inference_count"], stats["inference_stats"]["success"]["count"]) == (2, 1)
    assert 'lampion_requests_total{model="twice",status="200"}' in client.get("/metrics").text


def test_over_grpc(server: Any) -> None:
    grpc = pytest.importorskip("grpc")
    from lampion_server.grpc.schema import message

    request = message("ModelInferRequest")(model_name="twice")
    request.inputs.add(name="row", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend([1, 2, 3, 4])
    with grpc.insecure_channel(f"127.0.0.1:{server.plane.grpc_port}") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            type(request).SerializeToString,
            message("ModelInferResponse").FromString,
        )
        response = call(request)
    assert list(response.outputs[0].contents.fp32_contents) == [12]


def test_what_does_not_fit_is_said_of_its_own_inputs(server: Any) -> None:
    wrong = sent([[1, 2, 3, 4]])
    wrong["inputs"][0]["shape"] = [2, 2]
    answer = server.client.post("/v2/models/twice/infer", json=wrong)
    assert (answer.status_code, answer.json()["field"]) == (400, "inputs[0].shape")
    answer = server.client.post("/v1/models/shades/predict", content=b"no photo")
    assert (answer.status_code, answer.json()["field"]) == (400, "photos[0]")


# --- the models it follows ---


def test_a_model_that_goes_takes_it_along_and_brings_it_back(server: Any) -> None:
    client = server.client
    client.post("/v2/repository/models/total/unload")
    answer = client.post("/v2/models/twice/infer", json=sent([[1, 2, 3, 4]]))
    assert answer.status_code == 503
    assert "step head: model total version 1 is not served: unloaded by request" in answer.json()["error"]
    lines = {line["name"]: line for line in client.post("/v2/repository/index").json()}
    assert (lines["twice"]["state"], lines["shades"]["state"]) == ("UNAVAILABLE", "READY")
    assert client.get("/v2/health/ready").status_code == 200  # somebody wanted it so
    client.post("/v2/repository/models/total/load")
    assert inferred(server)["total"] == [12, 2]


def test_versions_follow_the_models(server: Any) -> None:
    client = server.client
    client.post("/v1/models/iris/traffic/promote?version=1")
    assert inferred(server)["total"] == [6, 1]
    client.post("/v1/models/iris/traffic/rollback")
    assert inferred(server)["total"] == [12, 2]
    client.post("/v1/models/iris/traffic/canary?version=1&percent=50")
    assert sorted(inferred(server)["total"][0] for _ in range(4)) == [6, 6, 12, 12]


def test_a_version_of_its_own_choice(serve: Any, folder: Path) -> None:
    (folder / "twice.pipeline.toml").write_text(TWICE.replace('model = "iris"', 'model = "iris", version = "1"'))
    with serve(folder, tune_seconds=0, cache_bytes=1000) as server:
        assert [inferred(server)["total"] for _ in range(2)] == [[6, 1]] * 2


def test_a_cached_answer_does_not_outlive_the_model(serve: Any, folder: Path) -> None:
    with serve(folder, tune_seconds=0, cache_bytes=1000) as server:
        assert inferred(server)["total"] == [12, 2]
        server.client.post("/v1/models/iris/traffic/promote?version=1")
        assert inferred(server)["total"] == [6, 1]


def test_a_file_that_breaks_leaves_the_one_before(server: Any, folder: Path) -> None:
    (folder / "twice.pipeline.toml").write_text("inputs = [")
    answer = server.client.post("/v2/repository/models/twice/load")
    assert (answer.status_code, "can't be read" in answer.json()["error"]) == (503, True)
    assert inferred(server)["total"] == [12, 2]
    server.client.post("/v1/models/iris/traffic/promote?version=1")
    assert inferred(server)["total"] == [6, 1]  # still wired to who has the traffic
    (line,) = [line for line in server.client.post("/v2/repository/index").json() if line["name"] == "twice"]
    assert "can't be read" in line["reason"]


def test_the_watch_finds_it(folder: Path) -> None:
    repository = Repository([folder], Settings(tune_seconds=0))
    (folder / "later.pipeline.toml").write_text(TWICE)
    (folder / "twice.pipeline.toml").unlink()
    for _ in range(2):
        repository.refresh()
    assert repository.names() == ["digits", "halves", "iris", "later", "shades", "total"]
    repository.close()


def test_moved_out_models_come_back_when_the_pipeline_is_asked(folder: Path) -> None:
    repository = Repository([folder], Settings(tune_seconds=0, memory_budget=1))
    assert "twice" in repository.names()
    assert not repository.missing()
    repository.close()


# --- errors ---


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            'model = "iris"',
            'model = "irys"',
            "step encoder: there is no model 'irys'; served are: digits, halves, iris, total",
        ),
        ('model = "iris"', 'model = "iris", version = "9"', "step encoder: there is no model 'iris' version '9'"),
        ("{ x = ", "{ y = ", "step encoder: model iris takes x, wired are y"),
        (
            '"encoder.y"',
            '"row"',
            r"step head: input y of model total is float32 \[batch, 3\], row is float32 \[batch, 4\]",
        ),
        ('"encoder.y" }', '"encoder.z" }', "step head: step encoder has no output 'z'; it has y"),
        ('"head.sum"', '"haed.sum"', r"outputs.total: expected one of row, encoder, head, or STEP.OUTPUT, .*; head\?"),
        ('"head.sum"', '"head.summ"', "outputs.total: step head has no output 'summ'; it has sum"),
        ('inputs = ["row"]', 'inputs = ["row", "more"]', "inputs: no step takes 'more'"),
        ('inputs = ["row"]', "inputs = []", "step encoder: inputs.x: expected one of"),
        ('inputs = ["row"]', "", "inputs: expected a list, got nothing"),
        ('name = "head"', 'name = "encoder"', r"steps\[1\].name: expected a name of its own"),
        ('name = "head"', 'nmae = "head"', "step total: nmae: there is no such key"),
        ('model = "total"', 'crop = "encoder.y"', "step head: inputs: there is no such key"),
        (
            'model = "total", inputs = { y = "encoder.y" }',
            'crop = "encoder.y"',
            "step head: expected a picture to cut, .* is float32",
        ),
        ("version = ", "version = 1 # ", "version: expected a string, got 1"),
        ("version = ", "name = 'iris'\nversion = ", "name: 'iris' is a model's already"),
        ("version = ", "name = 'a/b'\nversion = ", "name: expected what can stand in a path, without /, got 'a/b'"),
        ('version = "3"', 'version = ""', "version: expected what can stand in a path, without /, got ''"),
    ],
)
def test_one_that_can_not_be(folder: Path, before: str, after: str, message: str) -> None:
    path = folder / "wrong.pipeline.toml"
    path.write_text(TWICE.replace(before, after, 1))
    with pytest.raises(StartupError, match=message) as raised:  # named itself, it must load
        Repository(
            [*sorted(folder.glob("*.onnx")), folder / "iris" / "2" / "model.onnx", path], Settings(tune_seconds=0)
        )
    assert str(path) in str(raised.value)


def test_in_a_folder_the_index_says_why(serve: Any, folder: Path) -> None:
    (folder / "halves.onnx").unlink()
    with serve(folder, tune_seconds=0) as server:
        (line,) = [line for line in server.client.post("/v2/repository/index").json() if line["name"] == "shades"]
        assert line["reason"].startswith("step detect: there is no model 'halves'")
        assert server.client.get("/v2/health/ready").status_code == 503
        assert inferred(server)["total"] == [12, 2]


def test_a_step_that_fails_says_which(serve: Any, build: Any, tmp_path: Path) -> None:
    build.lookup(tmp_path / "lookup.onnx")
    steps = 'steps = [{ name = "find", model = "lookup", inputs = { index = "i" } }]'
    declared = f'inputs = ["i"]\n{steps}\noutputs = {{ v = "find" }}'
    (tmp_path / "p.pipeline.toml").write_text(declared)
    with serve(tmp_path, tune_seconds=0) as server:
        wrong = {"inputs": [{"name": "i", "datatype": "INT64", "shape": [1], "data": [7]}]}
        answer = server.client.post("/v2/models/p/infer", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (500, "MODEL_FAILED")
        assert answer.json()["error"].startswith("step find: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corners = 'x'", "step cut: corners: expected ltrb or tlbr"),
        ("size = [1]", r"step cut: size: expected \[height, width\]"),
        ("most = 0", "step cut: expected most of at least 1"),
        ("least = 'a'", "step cut: expected most of at least 1 and a number as least"),
        ("scores = 'photo'", "step cut: boxes: expected them beside scores"),
    ],
)
def test_a_cut_that_can_not_be(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.pipeline.toml"
    path.write_text(f'inputs = ["photo"]\n[[steps]]\nname = "cut"\ncrop = "photo"\n{text}\n[outputs]\na = "cut"\n')
    with pytest.raises(ModelError, match=message):
        read(path)


# --- cutting ---

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(1, 4, 6, 3)
PHOTO = Wire(None, "photo")


@pytest.mark.parametrize(
    ("step", "box", "expected"),
    [
        (Crop("cut", PHOTO, PHOTO, pixels=True), [1, 1, 3, 3], PICTURE[:, 1:3, 1:3]),
        (Crop("cut", PHOTO, PHOTO, pixels=True, corners="tlbr"), [0, 4, 2, 6], PICTURE[:, :2, 4:]),
        (Crop("cut", PHOTO, PHOTO), [2 / 3, 0.5, 1, 1], PICTURE[:, 2:, 4:]),
        (Crop("cut", PHOTO, PHOTO, pixels=True), [4, 2, 99, 99], PICTURE[:, 2:, 4:]),
        (Crop("cut", PHOTO, PHOTO, pixels=True), [2, 2, 2, 4], PICTURE[:0, :2, :2]),
        (Crop("cut", PHOTO, PHOTO, pixels=True), [np.nan, 0, np.nan, 2], PICTURE[:0, :2, :2]),
    ],
)
def test_a_box(step: Crop, box: list[float], expected: np.ndarray) -> None:
    cut = cropped(step, (2, 2, 3), PICTURE, np.array([[box]], np.float32), None)
    assert np.array_equal(cut["images"], expected)
    assert np.array_equal(cut["boxes"], np.array([box], np.float32)[: len(expected)])


def test_the_best_come_first_and_no_more_than_most() -> None:
    step = Crop("cut", PHOTO, PHOTO, PHOTO, least=0.3, most=2, pixels=True)
    boxes = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3], [0, 0, 4, 4]], np.float32)
    cut = cropped(step, (1, 1, 3), PICTURE, boxes, np.array([0.1, 0.5, 0.9, 0.4], np.float32))
    assert cut["boxes"][:, 2].tolist() == [3, 2]


def test_the_whole_picture_is_what_edge_makes_of_it() -> None:
    from lampion_edge import Preprocessing, Resize, decode

    pixels = np.random.default_rng(0).integers(0, 256, (1, 40, 60, 3), np.uint8)
    whole = cropped(Crop("cut", PHOTO), (8, 8, 3), pixels, None, None)["images"][0]
    assert np.abs(whole.astype(int) - decode(pixels[0], Preprocessing(resize=Resize((8, 8)))).astype(int)).max() <= 1


def test_the_one_in_the_document(build: Any, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
    (declared,) = re.findall(r"```toml\n(description = .*?)```", text, re.DOTALL)
    (tmp_path / "found.pipeline.toml").write_text(declared)
    build.digits(tmp_path / "digits.onnx")
    halves(build, tmp_path / "detector.onnx")
    repository = Repository([tmp_path], Settings(tune_seconds=0))
    assert (repository.names(), repository.missing()) == (["detector", "digits", "found"], [])
    repository.close()
