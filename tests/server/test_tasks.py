"""Sounds and records, asked without tensors; photos have a file of their own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from edge.sounds import LOUD, floats, wav
from onnx import TensorProto


@pytest.fixture(scope="module")
def asked(serve: Any, build: Any, tmp_path_factory: Any) -> Iterator[Any]:
    """A server of models that hear and models that read."""
    folder = tmp_path_factory.mktemp("tasks")
    build.sounds(folder / "sounds.onnx")
    build.sounds(folder / "second.onnx", 8000)
    build.table(folder / "table.onnx")
    build.add(folder / "add.onnx")
    build.logs(folder / "logs.onnx")
    build.echo(folder / "texts.onnx", TensorProto.STRING, ["batch"])
    build.echo(folder / "halves.onnx", TensorProto.FLOAT16, ["batch", "time"])
    build.echo(folder / "fixed.onnx", TensorProto.FLOAT, [4, 2])
    with serve(folder) as server:
        yield server


def predictions(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


# --- sounds ---


@pytest.mark.parametrize(("offset", "label"), [(-0.5, "below"), (0.5, "above")])
def test_sounds(asked: Any, offset: float, label: str) -> None:
    stereo = wav(np.stack([np.full(4000, offset), np.zeros(4000)], 1), rate=16000)
    text = base64.b64encode(stereo).decode()
    post = asked.client.post
    for answer in (
        post("/v1/models/sounds/predict?top=1", content=stereo),
        post("/v1/models/sounds/predict?top=1", files={"sound": ("a.wav", stereo)}),
        post("/v1/models/sounds/predict?top=1", json={"sound": text}),
        post("/v1/models/second/predict?top=1", json={"sounds": [text]}),
    ):
        (one,) = predictions(answer)
        assert [each["label"] for each in one["labels"]] == [label]


# --- records ---

ROW = {"a": 1.0, "b": 3.0, "c": 2.0}
DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
NANS = floats(np.full(400, np.nan, np.float32))


@pytest.mark.parametrize(
    ("body", "best"),
    [
        ({"record": ROW}, ["b"]),
        ({"records": [ROW, {"c": 9, "b": 0, "a": 0}]}, ["b", "c"]),
        ([ROW], ["b"]),
        ([[5, 0, 0], [0, 5, 0]], ["a", "b"]),
    ],
)
def test_records(asked: Any, body: Any, best: list[str]) -> None:
    told = predictions(asked.client.post("/v1/models/table/predict?top=1", json=body))
    assert [[each["label"] for each in one["labels"]] for one in told] == [[name] for name in best]


def test_records_of_a_model_without_labels(asked: Any) -> None:
    (one,) = predictions(asked.client.post("/v1/models/add/predict", json={"record": {"a": [1, 2], "b": [3, 4]}}))
    assert one == {"outputs": {"sum": [4, 6]}}
    told = predictions(asked.client.post("/v1/models/texts/predict", json=[{"x": "ä"}, ["b"]]))
    assert told == [{"outputs": {"y": "ä"}}, {"outputs": {"y": "b"}}]


def test_records_of_a_model_whose_outputs_are_single_numbers(serve: Any, folder: Any) -> None:
    with serve(folder / "lookup.onnx") as server:
        told = predictions(server.client.post("/v1/models/lookup/predict", json=[{"index": 2}, [3]]))
    assert told == [{"outputs": {"value": 12}}, {"outputs": {"value": 13}}]


def test_records_of_unequal_length(asked: Any) -> None:
    told = predictions(asked.client.post("/v1/models/halves/predict", json=[[1, 2.5], [3], [4, 5, 6]]))
    assert [one["outputs"]["y"] for one in told] == [[1, 2.5], [3], [4, 5, 6]]


def test_probabilities_that_are_no_numbers(asked: Any) -> None:
    response = asked.client.post("/v1/models/logs/predict", json=[[2, 3], [-1, 2]])
    assert (response.status_code, response.json()["code"]) == (500, "MODEL_FAILED")


@pytest.mark.parametrize("cache_bytes", [0, 10_000])
def test_of_outputs_that_are_no_tensors_the_others_are_told(
    serve: Any, build: Any, tmp_path: Any, cache_bytes: int
) -> None:
    with serve(build.zipmap(tmp_path / "zipmap.onnx"), cache_bytes=cache_bytes) as server:
        told = predictions(server.client.post("/v1/models/zipmap/predict", json=[[1, 2], [2, 1]]))
        assert told == [{"outputs": {"label": 1}}, {"outputs": {"label": 0}}]


@pytest.mark.parametrize("features", [["a", "b"], ["a", "b", "a"]])
def test_columns_that_dont_fit_are_left_aside(serve: Any, build: Any, tmp_path: Any, features: list[str]) -> None:
    with serve(build.table(tmp_path / "table.onnx", features=features)) as server:
        response = server.client.post("/v1/models/table/predict?top=1", json={"record": {"row": [1, 2, 3]}})
        assert predictions(response)[0]["labels"][0]["label"] == "c"
        assert "/v1/models/table/predict" in server.client.get("/openapi.json").json()["paths"]


WRONG = [
    ("table", {"record": {"a": 1, "b": 2}}, "records[0].c"),
    ("table", {"records": [ROW, ROW | {"d": 1}]}, "records[1].d"),
    ("table", {"records": [ROW | {"a": "1"}]}, "records[0].a"),
    ("table", {"records": [ROW, ROW | {"b": None}]}, "records[1].b"),
    ("table", {"records": [ROW | {"b": True}]}, "records[0].b"),
    ("table", {"records": [ROW | {"c": [1]}]}, "records[0].c"),
    ("table", {"records": [ROW | {"c": {}}]}, "records[0].c"),
    ("table", {"records": [ROW | {"c": 1e39}]}, "records[0].c"),
    ("table", {"records": [DEEP]}, "records[0].row"),
    ("halves", {"records": [DEEP]}, "records[0].x"),
    ("texts", {"record": {"x": 5}}, "records[0].x"),
    ("sounds", {"sound": base64.b64encode(NANS).decode()}, "sounds[0]"),
    ("table", {"records": [[1, 2]]}, "records[0].row"),
    ("table", {"records": [[[1, 2, 3]]]}, "records[0].row"),
    ("table", {"records": [3]}, "records[0]"),
    ("table", {"records": {}}, "records"),
    ("table", {"records": []}, "records"),
    ("table", [], "records"),
    ("table", {}, "records"),
    ("table", {"record": ROW, "records": [ROW]}, "records"),
    ("table", 3, "body"),
    ("add", {"record": [1, 2]}, "records[0]"),
    ("add", {"record": {"a": [1, 2]}}, "records[0].b"),
    ("halves", [[1, 1e30]], "records[0].x"),
    ("fixed", [[1, 2]], "model"),
    ("sounds", {"sound": base64.b64encode(b"no sound").decode()}, "sounds[0]"),
    ("sounds", {"sound": base64.b64encode(wav(LOUD[:0])).decode()}, "sounds[0]"),
    ("sounds", {"sound": base64.b64encode(wav(np.tile(LOUD, 100), rate=1)).decode()}, "sounds[0]"),
    ("second", {"sounds": [base64.b64encode(wav(np.tile(LOUD, n))).decode() for n in (1, 11)]}, "sounds[1]"),
    ("sounds", {"image": ""}, "sound"),
]


@pytest.mark.parametrize(("model", "body", "field"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named(asked: Any, model: str, body: Any, field: str) -> None:
    response = asked.client.post(f"/v1/models/{model}/predict", json=body)
    error = response.json()
    assert (response.status_code, error["field"]) == (400, field), response.text
    assert ": ." not in error["error"]  # the place is told once
