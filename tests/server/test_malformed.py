"""Requests that are wrong in one way each: the status, the field that is named, and a server that lives on."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from typing import Any

import pytest
from PIL import Image

X = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
GOOD = {"inputs": [X]}
A, B = ({"name": name, "datatype": "FP32", "shape": [1, 2], "data": [1, 2]} for name in "ab")


def x(**changes: Any) -> dict[str, Any]:
    """The good request, its input changed; None removes a key."""
    tensor = {key: value for key, value in (X | changes).items() if value is not None}
    return {"inputs": [tensor]}


def echo(datatype: str, data: Any, shape: tuple[int, ...] = (1, 2)) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": list(shape), "data": data}]}


INFER = [
    # model, body, status, field
    ("iris", b"{", 400, "body"),
    ("iris", b"", 400, "body"),
    ("iris", b"[]", 400, "body"),
    ("iris", b"null", 400, "body"),
    ("iris", b"\xff\xfe", 400, "body"),
    ("iris", json.dumps(GOOD).encode("utf-16"), 400, "body"),
    ("iris", json.dumps(GOOD | {"id": "\ud800"}).encode(), 400, "body"),
    ("iris", b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [NaN]}]}', 400, "body"),
    ("iris", b'{"inputs": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "body"),
    ("iris", {}, 400, "inputs"),
    ("iris", {"inputs": {}}, 400, "inputs"),
    ("iris", {"inputs": []}, 400, "inputs"),
    ("iris", {"inputs": [3]}, 400, "inputs[0]"),
    ("iris", {"inputs": [X, X]}, 400, "inputs[1].name"),
    ("iris", x(name=None), 400, "inputs[0].name"),
    ("iris", x(name=7), 400, "inputs[0].name"),
    ("iris", x(name="z"), 400, "inputs[0].name"),
    ("iris", x(datatype=None), 400, "inputs[0].datatype"),
    ("iris", x(datatype="FLOAT"), 400, "inputs[0].datatype"),
    ("iris", x(datatype="FP64"), 400, "inputs[0].datatype"),
    ("iris", x(datatype="INT32"), 400, "inputs[0].datatype"),
    ("iris", x(datatype="FP16"), 400, "inputs[0].data"),
    ("iris", x(shape=None), 400, "inputs[0].shape"),
    ("iris", x(shape=4), 400, "inputs[0].shape"),
    ("iris", x(shape=[-1, 4]), 400, "inputs[0].shape"),
    ("iris", x(shape=[1, 4.0]), 400, "inputs[0].shape"),
    ("iris", x(shape=[True, 4]), 400, "inputs[0].shape"),
    ("iris", x(shape=[4]), 400, "inputs[0].shape"),
    ("iris", x(shape=[2, 2]), 400, "inputs[0].shape"),
    ("iris", x(shape=[1] * 40), 400, "inputs[0].shape"),
    ("iris", x(shape=[2**40, 2**40]), 400, "inputs[0].shape"),
    ("iris", x(shape=[0, 2**40, 2**40], data=[]), 400, "inputs[0].shape"),
    ("iris", {"inputs": [X | {"name": str(i)} for i in range(1001)]}, 400, "inputs"),
    ("iris", GOOD | {"outputs": [{"name": str(i)} for i in range(1001)]}, 400, "outputs"),
    ("iris", GOOD | {"parameters": {"timeout": -1}}, 400, "parameters.timeout"),
    ("iris", x(data=None), 400, "inputs[0].data"),
    ("iris", x(data=3), 400, "inputs[0].data"),
    ("iris", x(data=[1, 2, 3]), 400, "inputs[0].data"),
    ("iris", x(data=[1, 2, 3, 4, 5]), 400, "inputs[0].data"),
    ("iris", x(data=[1, 2, 3, "4"]), 400, "inputs[0].data"),
    ("iris", x(data=[1, 2, 3, True]), 400, "inputs[0].data"),
    ("iris", {"inputs": [X | {"data": [1, 2, 3, None]}]}, 400, "inputs[0].data"),
    ("iris", x(data=[1, 2, 3, 1e39]), 400, "inputs[0].data"),
    ("iris", x(data=[[1, 2], [3]]), 400, "inputs[0].data"),
    ("iris", x(data=[[1, 2], [3, 4]]), 400, "inputs[0].data"),
    ("iris", x(data=[1, 2, [3], 4]), 400, "inputs[0].data"),
    ("iris", GOOD | {"id": 5}, 400, "id"),
    ("iris", GOOD | {"parameters": []}, 400, "parameters"),
    ("iris", GOOD | {"parameters": {"timeout": "1 s"}}, 400, "parameters.timeout"),
    ("iris", GOOD | {"outputs": [{"name": "z"}]}, 400, "outputs[0].name"),
    ("iris", GOOD | {"outputs": [{"name": "y"}, {"name": "y"}]}, 400, "outputs[1].name"),
    ("iris", GOOD | {"outputs": ["y"]}, 400, "outputs[0]"),
    (
        "iris",
        GOOD | {"outputs": [{"name": "y", "parameters": {"classification": -2}}]},
        400,
        "outputs[0].parameters.classification",
    ),
    (
        "iris",
        x(parameters={"shared_memory_region": "r"}, data=None),
        501,
        "inputs[0].parameters.shared_memory_region",
    ),
    ("iris", x(parameters={"binary_data_size": 16}), 400, "inputs[0].data"),
    ("iris", x(parameters={"binary_data_size": 16}, data=None), 400, "inputs[0].parameters.binary_data_size"),
    ("iris", x(parameters={"binary_data_size": -1}, data=None), 400, "inputs[0].parameters.binary_data_size"),
    ("add", {"inputs": [A]}, 400, "inputs"),
    ("add", {"inputs": [A, B, X]}, 400, "inputs[2].name"),
    ("add", {"inputs": [A, B | {"shape": [2, 2], "data": [1] * 4}]}, 400, "inputs[1].shape"),
    ("echo_int8", echo("INT8", [1, 128]), 400, "inputs[0].data"),
    ("echo_int8", echo("INT8", [1, 1.5]), 400, "inputs[0].data"),
    ("echo_int8", echo("INT8", [1, 2.0]), 400, "inputs[0].data"),
    ("echo_uint64", echo("UINT64", [0, -1]), 400, "inputs[0].data"),
    ("echo_bool", echo("BOOL", [0, 1]), 400, "inputs[0].data"),
    ("echo_string", echo("BYTES", ["a", 1]), 400, "inputs[0].data"),
    ("echo_float16", echo("FP16", [1, 2]), 400, "inputs[0].data"),
    ("lookup", {"inputs": [{"name": "index", "datatype": "INT64", "shape": [1], "data": [9]}]}, 400, None),
    ("nobody", GOOD, 404, "model"),
    ("iris/versions/7", GOOD, 404, "version"),
]


@pytest.mark.parametrize(("model", "body", "status", "field"), INFER, ids=range(len(INFER)))
def test_infer_says_what_is_wrong(server: Any, model: str, body: Any, status: int, field: str | None) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    check(server, server.client.post(f"/v2/models/{model}/infer", content=content), status, field)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    return buffer.getvalue()


def parts(count: int, file: str) -> bytes:
    """A form of so many parts, each a file or none."""
    part = f'--b\r\nContent-Disposition: form-data; name="a"{file}\r\n\r\nvalue\r\n'.encode()
    return part * count + b"--b--\r\n"


JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
PHOTOS = [
    # content type, body, status, field
    ("image/png", b"", 400, "body"),
    ("application/x-www-form-urlencoded", b"", 400, "body"),
    ("text/plain", b"hello, this is a text", 400, "photos[0]"),
    ("image/jpeg", jpeg()[:200], 400, "photos[0]"),
    ("image/jpeg", jpeg()[: len(jpeg()) // 2], 400, "photos[0]"),
    ("image/png", png_of(30_000, 30_000), 400, "photos[0]"),
    ("image/png", png_of(0, 10), 400, "photos[0]"),
    (JSON, b"", 400, "body"),
    (JSON, b"{", 400, "body"),
    (JSON, b"{}", 400, "image"),
    (JSON, b'{"image": "", "images": []}', 400, "image"),
    (JSON, b'{"image": 3}', 400, "image"),
    (JSON, b'{"image": "not base64!"}', 400, "image"),
    (JSON, '{"image": "ü"}'.encode(), 400, "image"),
    (JSON, b'{"images": "abcd"}', 400, "images"),
    (JSON, b'{"images": []}', 400, "images"),
    (JSON, b'{"images": ["abcd", 4]}', 400, "images[1]"),
    (JSON, json.dumps({"images": ["abcd"] * 1001}).encode(), 400, "images"),
    (JSON, json.dumps({"images": [base64.b64encode(b"text").decode()]}).encode(), 400, "photos[0]"),
    ("multipart/form-data", b"--b--", 400, "body"),
    (FORM, b"", 400, "body"),
    (FORM, b"no boundary here", 400, "body"),
    (FORM, parts(1, ""), 400, "body"),
    (FORM, parts(2, '; filename="a"').removesuffix(b"--\r\n"), 400, "body"),
    (FORM, parts(1, '; filename="a"').removesuffix(b"--b--\r\n") + b"--b\r\nContent-Dispos", 400, "body"),
    (FORM, parts(1001, ""), 400, "body"),
    (FORM, parts(1001, '; filename="a"'), 400, "body"),
    (FORM, b"--b\r\n" + b"X: y\r\n" * 10_000 + b"\r\nx\r\n--b--\r\n", 400, "body"),
    (FORM, b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\ntext\r\n--b--\r\n', 400, "photos[0]"),
]


@pytest.mark.parametrize(("content_type", "body", "status", "field"), PHOTOS, ids=range(len(PHOTOS)))
def test_predict_says_what_is_wrong(server: Any, content_type: str, body: bytes, status: int, field: str) -> None:
    headers = {"content-type": content_type}
    check(server, server.client.post("/v1/models/digits/predict", content=body, headers=headers), status, field)


QUERIES = [
    ("top=0", "top"),
    ("top=-1", "top"),
    ("top=x", "top"),
    ("top=1.5", "top"),
    ("top=", "top"),
    ("tpo=1", "tpo"),
] + [(f"threshold={value}", "threshold") for value in ("2", "-0.1", "nan", "x", "")]


@pytest.mark.parametrize(("query", "field"), QUERIES)
def test_query_parameters(server: Any, build: Any, query: str, field: str) -> None:
    check(server, server.client.post(f"/v1/models/digits/predict?{query}", content=build.photo()), 400, field)


HINTS = [
    ("POST", "/v2/models/iris/infer/", b"", "/v2/models/iris/infer"),
    ("GET", "//v2//health/live", b"", "/v2/health/live"),
    ("GET", "/nowhere", b"", "/docs"),
    ("POST", "/v2/models/iris/infer", jpeg(), "/v1/models/.../predict"),
    ("POST", "/v2/models/iris/infer", b'{"inputs": [Infinity]}', "binary data"),
    ("POST", "/v1/models/iris/predict", b'{"x": [1, 2, 3, 4]}', '{"record": {...}}'),
]


@pytest.mark.parametrize(("method", "path", "body", "hint"), HINTS, ids=range(len(HINTS)))
def test_what_newcomers_are_told(server: Any, method: str, path: str, body: bytes, hint: str) -> None:
    response = server.client.request(method, server.url + path, content=body or None)
    assert hint in response.json()["hint"]


ROUTES = [
    ("GET", "/v2/models/iris/infer", 405, "POST"),
    ("PUT", "/v2/models/iris/infer", 405, "POST"),
    ("DELETE", "/v2", 405, "GET"),
    ("GET", "/v1/models/digits/predict", 405, "POST"),
    ("GET", "/v2/repository/index", 405, "POST"),
    ("OPTIONS", "/v2", 405, "GET"),
    ("TRACE", "/v2", 405, "GET"),
    ("GET", "/", 404, "echo_bool"),
    ("GET", "/v2/models/%00", 404, "\\x00"),
    ("GET", "/v2/models/a%0d%0ab", 404, "a\\r\\nb"),
    ("GET", "/v2/models/%ff%fe/ready", 404, "served are"),
    ("GET", "/v2/models/" + "n" * 5000, 404, "served are"),
    ("POST", "/v2/repository/models/%2e%2e/load", 404, "'..'"),
    ("POST", "/v2/repository/models/..%2f..%2fetc/load", 404, "no route"),
    ("POST", "/v2/models/iris/inferr", 404, "digits"),
    ("POST", "/v1/models/nobody/predict", 404, "digits, echo_"),
    ("POST", "/v1/models/iris/predict", 400, "takes records"),
    ("GET", "/v2/models/nobody", 404, "nobody"),
    ("GET", "/v2/models/nobody/ready", 404, "nobody"),
    ("GET", "/v2/models/iris/versions/2", 404, "version"),
    ("POST", "/v2/repository/models/nobody/load", 404, "nobody"),
    ("POST", "/v2/repository/models/nobody/unload", 404, "nobody"),
    ("POST", "/v2/models/../../etc/infer", 404, "no route"),
]


@pytest.mark.parametrize(("method", "path", "status", "part"), ROUTES)
def test_routes_that_are_not_there(server: Any, build: Any, method: str, path: str, status: int, part: str) -> None:
    response = server.client.request(method, path, content=build.photo() if "/v1/" in path else None)
    error = check(server, response, status, None if status == 405 else ...)
    if status == 405:
        assert response.headers["allow"] == part
    assert part in error["error"]


HEADERS = [
    *(
        ({"X-Request-Timeout": text}, 400, "X-Request-Timeout")
        for text in ("", "0", "-1", "nan", "inf", "1e400", "soon")
    ),
    ({"X-Request-Timeout": "1e-9"}, 504, None),
    *(({"X-Priority": text}, 400, "X-Priority") for text in ("background", "2", "first")),
    *(({"Inference-Header-Content-Length": text}, 400, ...) for text in ("-1", "1.5", "x", "99999999999", "9" * 5000)),
    ({"Content-Type": "application/json", "Inference-Header-Content-Length": "0"}, 400, ...),
]


@pytest.mark.parametrize(("headers", "status", "field"), HEADERS, ids=range(len(HEADERS)))
def test_headers(server: Any, headers: dict[str, str], status: int, field: Any) -> None:
    content = json.dumps(GOOD).encode()
    check(server, server.client.post("/v2/models/iris/infer", content=content, headers=headers), status, field)


COMPRESSED = [
    # Content-Encoding, body, status, field
    ("br", b"zipped", 415, "Content-Encoding"),
    ("gzip, deflate", b"zipped", 415, "Content-Encoding"),
    ("gzip", b"zipped", 400, "body"),
    ("gzip", b"", 400, "body"),
    ("deflate", gzip.compress(b"{}"), 400, "body"),
    ("gzip", gzip.compress(json.dumps(GOOD).encode())[:-9], 400, "body"),
    ("gzip", gzip.compress(b"{}") + b"tail", 400, "body"),
    ("gzip", gzip.compress(bytes(2_000_000)), 413, "body"),
    ("gzip", gzip.compress(b"") * 40_000, 400, "body"),  # which once took minutes, and 400 is quick
    ("deflate", zlib.compress(bytes(2_000_000)), 413, "body"),
]


@pytest.mark.parametrize(("encoding", "body", "status", "field"), COMPRESSED, ids=range(len(COMPRESSED)))
def test_compressed_bodies(server: Any, encoding: str, body: bytes, status: int, field: str) -> None:
    headers = {"content-encoding": encoding}
    check(server, server.client.post("/v2/models/iris/infer", content=body, headers=headers), status, field)


def check(server: Any, response: Any, status: int, field: Any) -> Any:
    """The answer is the error object and names `field` (... for any); the server still computes."""
    error = response.json()
    assert response.status_code == status, error
    assert sorted(error) == ["code", "error", "field", "hint"]
    assert field is ... or error["field"] == field
    assert error["error"]
    assert "Traceback" not in response.text
    assert ".py" not in response.text
    assert server.client.post("/v2/models/iris/infer", json=GOOD).json()["outputs"][0]["data"] == [2, 4, 6]
    return error
