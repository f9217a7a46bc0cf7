"""`lampion-edge serve` beside the big server: the same requests, the same JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from edge.sounds import wav
from edge.web.servers import listening
from PIL import Image

from lampion_edge import Session
from lampion_edge.web.serving import Serving


@pytest.fixture(scope="module")
def both(serve: Any, build: Any, tmp_path_factory: Any) -> Iterator[tuple[Any, httpx.Client]]:
    folder: Path = tmp_path_factory.mktemp("both")
    paths = [
        build.digits(folder / "digits.onnx"),
        build.sounds(folder / "sounds.onnx"),
        build.iris(folder / "iris.onnx"),
    ]
    serving = Serving([Session(path) for path in paths], queue=8)
    with (
        serve(folder) as big,
        listening(serving.routes) as web,
        httpx.Client(base_url=f"http://127.0.0.1:{web.port}") as client,
    ):
        yield big.client, client


def png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


PHOTO, SOUND = "/v1/models/digits/predict", "/v1/models/sounds/predict"
X = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
REQUESTS = [
    ("GET", "/v2/health/live", {}),
    ("GET", "/v2/health/ready", {}),
    ("GET", "/v2/models/digits", {}),
    ("GET", "/v2/models/iris/ready", {}),
    ("POST", "/v2/repository/index", {}),
    ("POST", PHOTO, {"content": png(0)}),
    ("POST", f"{PHOTO}?top=2&threshold=0.01", {"content": png(120)}),
    ("POST", PHOTO, {"files": [("image", ("a.png", png(0))), ("image", ("b.png", png(255)))]}),
    ("POST", PHOTO, {"json": {"image": text(png(0))}}),
    ("POST", PHOTO, {"json": {"images": [text(png(0)), "data:image/png;base64," + text(png(255))]}}),
    ("POST", SOUND, {"content": wav(np.full(500, 0.3))}),
    ("POST", "/v2/models/iris/infer", {"json": {"id": "a", "inputs": [X], "outputs": [{"name": "y"}]}}),
    ("POST", "/v2/models/iris/infer", {"json": {"inputs": [X]}}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=range(len(REQUESTS)))
def test_the_same_answer(both: tuple[Any, httpx.Client], method: str, path: str, body: dict[str, Any]) -> None:
    big, small = (client.request(method, path, **body) for client in both)
    assert small.status_code == big.status_code == 200
    assert same(small.json(), big.json())


def same(left: Any, right: Any) -> bool:
    """Equal, numbers nearly, and rows of an index in any order."""
    if isinstance(left, list) and left and isinstance(left[0], dict) and "state" in left[0]:
        left, right = (sorted(rows, key=lambda row: row["name"]) for rows in (left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == pytest.approx(right) if isinstance(left, float) else left == right


REFUSED = [
    ("POST", PHOTO, {"content": b"no photo"}),
    ("POST", PHOTO, {"json": {}}),
    ("POST", PHOTO, {"content": b""}),
    ("POST", f"{PHOTO}?top=0", {"content": png(0)}),
    ("POST", f"{PHOTO}?tpo=1", {"content": png(0)}),
    ("POST", "/v1/models/nine/predict", {"content": png(0)}),
    ("POST", "/v2/models/iris/infer", {"content": b"{"}),
    ("POST", "/v2/models/iris/infer", {"json": {"inputs": [X | {"shape": [2, 4]}]}}),
    ("POST", "/v2/models/iris/infer", {"json": {"inputs": [X | {"name": "z"}]}}),
    ("GET", "/nowhere", {}),
    ("PUT", PHOTO, {}),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSED, ids=range(len(REFUSED)))
def test_the_same_refusal(both: tuple[Any, httpx.Client], method: str, path: str, body: dict[str, Any]) -> None:
    big, small = (client.request(method, path, **body) for client in both)
    assert small.status_code == big.status_code
    assert small.json()["code"] == big.json()["code"]
    assert small.json().keys() == big.json().keys()
