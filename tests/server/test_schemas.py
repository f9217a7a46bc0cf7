"""The OpenAPI document: each model's own part can be sent as it stands, and answers are as their schemas say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from lampion_edge import Golden
from lampion_server.schemas import schema_of

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
    with serve(folder) as server:
        yield server


def paths(server: Any) -> dict[str, Any]:
    return server.client.get("/openapi.json").json()["paths"]


def own(server: Any) -> Iterator[tuple[str, Any, Any]]:
    """Path, example of the request and example of the answer of each model's own routes."""
    for path, operations in paths(server).items():
        for operation in operations.values():
            if "{" not in path and "requestBody" in operation and path.startswith(("/v1/models/", "/v2/models/")):
                answer = operation["responses"]["200"]["content"]["application/json"]["example"]
                yield path, operation["requestBody"]["content"]["application/json"].get("example"), answer


def test_every_model_has_its_own_routes(described: Any) -> None:
    names = ["add", "digits", "halves", "iris", "sounds", "table", "%C3%A4%20b%3F"]
    want = {f"/v2/models/{name}/infer" for name in names} | {f"/v1/models/{name}/predict" for name in names}
    assert {path for path, _, _ in own(described)} == want


def test_every_example_is_answered(described: Any) -> None:
    sent = [(path, body) for path, body, _ in own(described) if body is not None]
    assert len(sent) >= 12
    for path, body in sent:
        response = described.client.post(path, json=body)
        assert response.status_code == 200, (path, body, response.text)


def test_the_example_of_a_golden_sample_is_what_one_gets(described: Any) -> None:
    examples = {path: (body, answer) for path, body, answer in own(described)}
    for path in ("/v2/models/iris/infer", "/v1/models/iris/predict"):
        body, answer = examples[path]
        assert described.client.post(path, json=body).json() == answer
    assert examples["/v2/models/iris/infer"][0]["inputs"][0]["data"] == [1, 2, 3, 4]


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
