"""The OpenAPI document: each model's own part can be sent as it stands, and answers are as their schemas say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from onnx import TensorProto

from lampion_edge import Golden
from lampion_server import openapi
from lampion_server.keys import new_key, write_keys
from lampion_server.model_docs import model_operations
from lampion_server.schemas import schema_of

NOISE = np.random.default_rng(0).integers(0, 256, (1, 400, 400, 1), np.uint8)
LOST = np.full((1, 2), np.nan, np.float32)
FAR = (-0.05 * np.abs(NOISE.mean(dtype=np.float32) - [[0, 128, 255]])).astype(np.float32)
NO_PHOTO = {
    "name": "no_photo",
    "task": "image-classification",
    "inputs": [{"name": "x", "dtype": "uint8", "shape": ["batch", 2]}],
    "outputs": [{"name": "y", "dtype": "uint8", "shape": ["batch", 2], "meaning": "logits"}],
}
SAMPLE = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)


@pytest.fixture(scope="module")
def described(serve: Any, build: Any, tmp_path_factory: Any) -> Iterator[Any]:
    """A server of a model of every kind, the first with a golden sample."""
    folder = tmp_path_factory.mktemp("described")
    build.iris(folder / "iris.onnx", golden=Golden((({"x": SAMPLE}, {"y": 2 * SAMPLE[:, :3]}),)))
    build.digits(folder / "digits.onnx")
    build.sounds(folder / "sounds.onnx")
    build.table(folder / "table.onnx")
    build.add(folder / "add.onnx")
    build.echo(folder / "ä b?.onnx", TensorProto.STRING)
    build.echo(folder / "halves.onnx", TensorProto.FLOAT16)
    build.echo(folder / "texts.onnx", TensorProto.STRING, ["batch"])
    build.echo(folder / "scalar.onnx", TensorProto.FLOAT, [])
    build.echo(folder / "fixed.onnx", TensorProto.FLOAT, [4, 2])
    build.zipmap(folder / "zipmap.onnx")
    build.logs(folder / "no_numbers.onnx", golden=Golden((({"x": LOST}, {"y": LOST}),)))
    build.digits(folder / "noise.onnx", name="noise", side=400, golden=Golden((({"image": NOISE}, {"output": FAR}),)))
    build.sounds(folder / "no_rate.onnx", rate=0)
    build.echo(folder / "no_photo.onnx", TensorProto.UINT8, card=NO_PHOTO)
    with serve(folder) as server:
        yield server


def paths(server: Any) -> dict[str, Any]:
    return server.client.get("/openapi.json").json()["paths"]


def described_bodies(server: Any) -> Iterator[tuple[str, Any, Any]]:
    """Path, and what is said in JSON of the request and of the answer, of each model's own routes."""
    for path, operations in paths(server).items():
        for operation in operations.values():
            if "{" not in path and "requestBody" in operation and path.startswith(("/v1/models/", "/v2/models/")):
                answer = operation["responses"]["200"]["content"]["application/json"]
                yield path, operation["requestBody"]["content"]["application/json"], answer


def own(server: Any) -> Iterator[tuple[str, Any, Any]]:
    """Path, example of the request and example of the answer of each model's own routes."""
    for path, request, answer in described_bodies(server):
        yield path, request.get("example"), answer.get("example")


def test_every_model_has_its_own_routes(described: Any) -> None:
    names = ["add", "digits", "halves", "iris", "sounds", "table", "%C3%A4%20b%3F", "texts", "zipmap", "logs"]
    names += ["noise", "no_rate", "no_photo"]
    want = {f"/v2/models/{name}/infer" for name in [*names, "scalar", "fixed"]}  # these have no axis for records
    want |= {f"/v1/models/{name}/predict" for name in names}
    assert {path for path, _, _ in own(described)} == want


def test_every_example_is_answered(described: Any) -> None:
    sent = [(path, body) for path, body, _ in own(described) if body is not None]
    assert len(sent) >= 20
    for path, body in sent:
        response = described.client.post(path, json=body)
        assert response.status_code == 200, (path, body, response.text)


def test_every_schema_is_true(described: Any) -> None:
    for path, request, answer in described_bodies(described):
        asks, tells = Draft202012Validator(request["schema"]), Draft202012Validator(answer["schema"])
        if "example" in request:
            asks.validate(request["example"])
            tells.validate(described.client.post(path, json=request["example"]).json())
        if "example" in answer:
            tells.validate(answer["example"])
        assert not asks.is_valid({})


def test_a_record_is_described_by_its_columns(described: Any) -> None:
    (schema,) = (
        request["schema"] for path, request, _ in described_bodies(described) if path.endswith("table/predict")
    )
    fits = Draft202012Validator(schema).is_valid
    row = {"a": 1, "b": 2, "c": 3}
    assert [fits(body) for body in ({"record": row}, {"records": [row]}, [row], {"record": [1, 2, 3]})] == [True] * 4
    assert not any(map(fits, ({"record": {"a": 1, "b": 2}}, [row | {"d": 1}], [row | {"c": "3"}])))


def test_a_model_has_no_others_example(described: Any) -> None:
    answers = {path: answer for path, _, answer in own(described)}
    assert answers["/v2/models/add/infer"] is None
    assert answers["/v1/models/noise/predict"] is None  # its photo is too long for the page, and another was taken


def test_a_model_that_cant_be_described_leaves_the_others(
    serve: Any, build: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    build.iris(tmp_path / "a.onnx")
    build.table(tmp_path / "b.onnx")

    def described(session: Any) -> Any:
        return 1 / 0 if session.name == "iris" else model_operations(session)

    monkeypatch.setattr(openapi, "model_operations", described)
    with serve(tmp_path) as server:
        found = paths(server)
    assert "/v2/models/table/infer" in found
    assert "/v2/models/iris/infer" not in found


def test_the_example_of_a_golden_sample_is_what_one_gets(described: Any) -> None:
    examples = {path: (body, answer) for path, body, answer in own(described)}
    for path in ("/v2/models/iris/infer", "/v1/models/iris/predict"):
        body, answer = examples[path]
        assert described.client.post(path, json=body).json() == answer
    assert examples["/v2/models/iris/infer"][0]["inputs"][0]["data"] == [1, 2, 3, 4]


def test_the_version_that_answers_is_described(serve: Any, build: Any, tmp_path: Any) -> None:
    build.iris(tmp_path / "m" / "1" / "model.onnx")
    build.table(tmp_path / "m" / "2" / "model.onnx")
    with serve(tmp_path) as server:
        server.client.post("/v1/models/m/traffic/promote?version=1")
        body = next(body for path, body, _ in own(server) if path == "/v2/models/m/infer")
        assert server.client.post("/v2/models/m/infer", json=body).status_code == 200


def test_a_key_can_be_shown(serve: Any, build: Any, tmp_path: Any) -> None:
    entry, token = new_key("asks", ["infer"])
    write_keys(tmp_path / "keys.json", [entry])
    with serve(build.iris(tmp_path / "a.onnx"), keys=str(tmp_path / "keys.json")) as server:
        document = server.client.get("/openapi.json").json()
        (body,) = (body for path, body, _ in own(server) if path == "/v2/models/iris/infer")
        schemes = document["components"]["securitySchemes"]
        assert [list(wanted) for wanted in document["security"]] == [[name] for name in schemes]
        assert (schemes["bearer"]["scheme"], schemes["header"]["name"]) == ("bearer", "X-API-Key")
        for headers in ({"Authorization": f"Bearer {token}"}, {"X-API-Key": token}):
            assert server.client.post("/v2/models/iris/infer", json=body, headers=headers).status_code == 200
        free = [
            path for path, verbs in document["paths"].items() for verb in verbs.values() if verb.get("security") == []
        ]
        assert free == ["/v2/health/live", "/v2/health/ready"]
    with serve(tmp_path / "a.onnx") as server:
        assert "security" not in server.client.get("/openapi.json").json()


def test_a_model_that_is_swapped_is_described_anew(serve: Any, build: Any, tmp_path: Any) -> None:
    with serve(build.iris(tmp_path / "a.onnx")) as server:
        before = paths(server)["/v2/models/iris/infer"]
        build.save(tmp_path / "a.onnx", [build_relu()], [FIVE], [("y", *FIVE[1:])], card={"name": "iris", **CARD})
        server.client.post("/v2/repository/models/iris/load")
        after = paths(server)["/v2/models/iris/infer"]
        server.client.post("/v2/repository/models/iris/unload")
        assert "/v2/models/iris/infer" not in paths(server)
    assert before != after


FIVE: tuple[str, int, list[int | str]] = ("x", TensorProto.FLOAT, ["batch", 5])
CARD = {
    "task": "tensor",
    "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 5]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": ["batch", 5]}],
}


def build_relu() -> Any:
    from onnx import helper

    return helper.make_node("Relu", ["x"], ["y"])


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("example", "schema"),
    [
        (True, {"type": "boolean"}),
        (1, {"type": "integer"}),
        (1.5, {"type": "number"}),
        ([], {"type": "array", "items": {}}),
        (["a"], {"type": "array", "items": TEXT}),
        ({"id": "a", "b": "c"}, {"type": "object", "properties": {"id": TEXT, "b": TEXT}, "required": ["b"]}),
    ],
)
def test_schema_of(example: Any, schema: Any) -> None:
    assert schema_of(example) == schema
