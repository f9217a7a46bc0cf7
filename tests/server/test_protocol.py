"""Tensors there and back, as JSON and as bytes."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lampion_edge import TensorSpec
from lampion_server.datatypes import from_bytes
from lampion_server.errors import UnsupportedError
from lampion_server.infer import InferRequest, Wanted, check_outputs, top_classes
from lampion_server.protocol import read_request
from lampion_server.statistics import Statistics
from lampion_server.tickets import Answer

LENGTH = "Inference-Header-Content-Length"

VALUES = [
    ("echo_bool", "BOOL", np.array([[True, False]])),
    ("echo_int8", "INT8", np.array([[-128, 127]], np.int8)),
    ("echo_int64", "INT64", np.array([[-(2**63), 2**63 - 1]], np.int64)),
    ("echo_uint64", "UINT64", np.array([[0, 2**64 - 1], [1, 2**63 + 1]], np.uint64)),
    ("echo_float", "FP32", np.array([[0.1, -3e38]], np.float32)),
    ("echo_double", "FP64", np.array([[0.1, 1e300]], np.float64)),
    ("echo_string", "BYTES", np.array([["ä", "日本"], ["", "x" * 300]], object)),
]


def body(datatype: str, array: np.ndarray, data: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": list(array.shape), "data": data}]}


def packed(array: np.ndarray) -> bytes:
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in array.ravel())
    return array.tobytes()


def binary(
    datatype: str, array: np.ndarray, *, tail: bytes = b"", length: int = 0, size: int = 0, **request: Any
) -> dict[str, Any]:
    """Arguments of a POST whose one input follows the JSON as bytes; `length` and `size` shift what is announced."""
    raw = packed(array)
    tensor = {"name": "x", "datatype": datatype, "shape": list(array.shape)}
    tensor["parameters"] = {"binary_data_size": len(raw) + size}
    head = json.dumps({"inputs": [tensor], **request}).encode()
    return {"content": head + raw + tail, "headers": {LENGTH: str(len(head) + length)}}


def test_requests_that_differ_in_their_numbers_alone(server: Any) -> None:
    """What was said before is remembered, what it was said with isn't; and only who said it fits."""
    rows = [np.array([[float(number), -1.5]], np.float32) for number in range(3)]
    for row in rows:
        answer = server.client.post("/v2/models/echo_float/infer", **binary("FP32", row))
        assert answer.json()["outputs"][0]["data"] == row.ravel().tolist()
    refused = server.client.post("/v2/models/echo_double/infer", **binary("FP32", rows[0]))
    assert (refused.status_code, refused.json()["field"]) == (400, "inputs[0].datatype")
    again = server.client.post("/v2/models/echo_float/infer", **binary("FP32", rows[0]))
    assert again.json()["outputs"][0]["data"] == rows[0].ravel().tolist()


def test_a_large_request_and_a_large_answer(serve: Any, folder: Any) -> None:
    """They are read and written beside the event loop."""
    array = np.arange(300_000, dtype=np.float32).reshape(-1, 2)
    with serve(folder / "echo_float.onnx") as server:
        for data in (array.ravel().tolist(), array.tolist()):
            asked = body("FP32", array, data)
            answer = server.client.post("/v2/models/echo_float/infer", json=asked)
            assert answer.json()["outputs"][0]["data"] == array.ravel().tolist()
            data[-1] = "no"
            answer = server.client.post("/v2/models/echo_float/infer", json=asked)
            assert (answer.status_code, answer.json()["field"]) == (400, "inputs[0].data")


@pytest.mark.parametrize(
    ("data", "kept"), [([0.5] * 400, True), ([[0.5] * 400], True), ([0.5], False)], ids=["long", "nested", "short"]
)
def test_only_heads_without_numbers_are_kept(data: list[Any], kept: bool) -> None:
    """Whatever a model knows to fit stays in memory."""
    text = json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": list(np.shape(data)), "data": data}]}
    ).encode()
    first, second = read_request(text), read_request(text)
    assert (first.like is not None) == (first.like is second.like is not None) == kept


@pytest.mark.parametrize(
    "form", [lambda array: array.tolist(), lambda array: array.ravel().tolist()], ids=["nested", "flat"]
)
@pytest.mark.parametrize(("model", "datatype", "array"), VALUES, ids=[row[1] for row in VALUES])
def test_json_there_and_back(server: Any, model: str, datatype: str, array: np.ndarray, form: Any) -> None:
    response = server.client.post(f"/v2/models/{model}/infer", json=body(datatype, array, form(array)))
    (output,) = response.json()["outputs"]
    assert (output["datatype"], output["shape"]) == (datatype, list(array.shape))
    back = np.array(output["data"], array.dtype).reshape(array.shape)
    assert np.array_equal(back, array)


HALVES = [
    ("echo_float16", "FP16", np.array([[1.5, -65504]], np.float16)),
    ("echo_bfloat16", "BF16", np.array([[1.5, -3e38]], ml_dtypes.bfloat16)),
]


@pytest.mark.parametrize(("model", "datatype", "array"), VALUES + HALVES, ids=[row[1] for row in VALUES + HALVES])
def test_bytes_there_and_back(server: Any, model: str, datatype: str, array: np.ndarray) -> None:
    request = binary(datatype, array, parameters={"binary_data_output": True})
    response = server.client.post(f"/v2/models/{model}/infer", **request)
    length = int(response.headers[LENGTH])
    (output,) = json.loads(response.content[:length])["outputs"]
    assert response.headers["content-type"] == "application/octet-stream"
    assert "data" not in output
    assert output["parameters"]["binary_data_size"] == len(response.content) - length
    assert response.content[length:] == packed(array)


def test_an_output_can_choose_its_form(server: Any) -> None:
    array = np.array([[1, 2]], np.float32)
    wanted = [{"name": "y", "parameters": {"binary_data": False}}]
    request = binary("FP32", array, parameters={"binary_data_output": True}, outputs=wanted)
    response = server.client.post("/v2/models/echo_float/infer", **request)
    assert LENGTH not in response.headers
    assert response.json()["outputs"][0]["data"] == [1, 2]
    wanted = [{"name": "y", "parameters": {"binary_data": True}}]
    response = server.client.post("/v2/models/echo_float/infer", **binary("FP32", array, outputs=wanted))
    assert response.content[int(response.headers[LENGTH]) :] == array.tobytes()


def test_a_raw_body_is_the_only_input(server: Any) -> None:
    array = np.arange(8, dtype=np.float32).reshape(2, 4)
    response = server.client.post("/v2/models/iris/infer", content=array.tobytes(), headers={LENGTH: "0"})
    assert response.content[int(response.headers[LENGTH]) :] == (2 * array[:, :3]).tobytes()


def test_ids_and_parameters_come_back(server: Any) -> None:
    array = np.ones((1, 2), np.float32)
    asked = {"id": "a-7", "parameters": {"colour": "red", "binary_data_output": False}}
    answer = server.client.post("/v2/models/echo_float/infer", json=body("FP32", array, [1, 1]) | asked).json()
    assert (answer["id"], answer["parameters"]) == ("a-7", {"colour": "red"})
    assert (answer["model_name"], answer["model_version"]) == ("echo_float", "1")


def test_what_json_lacks_becomes_null(server: Any) -> None:
    array = np.array([[np.nan, np.inf]], np.float32)
    response = server.client.post("/v2/models/echo_float/infer", **binary("FP32", array))
    assert response.json()["outputs"][0]["data"] == [None, None]


def test_an_empty_batch_is_a_batch(server: Any) -> None:
    answer = server.client.post("/v2/models/echo_float/infer", json=body("FP32", np.empty((0, 2)), [])).json()
    assert (answer["outputs"][0]["shape"], answer["outputs"][0]["data"]) == ([0, 2], [])


@pytest.mark.parametrize(("model", "datatype", "array"), HALVES, ids=[row[1] for row in HALVES])
def test_halves_are_only_answered_as_bytes(server: Any, model: str, datatype: str, array: np.ndarray) -> None:
    response = server.client.post(f"/v2/models/{model}/infer", **binary(datatype, array))
    assert (response.status_code, response.json()["field"]) == (400, "outputs")
    assert "binary_data_output" in response.json()["hint"]


ONE = np.ones((1, 2), np.float32)
WRONG = [
    (binary("FP32", ONE, tail=b"more"), "inputs"),
    (binary("FP32", ONE, length=1000), LENGTH),
    (binary("FP32", ONE, length=-2), "body"),
    (binary("FP32", ONE, size=-4), "inputs[0]"),
    (binary("FP32", ONE, size=1), "inputs[0].parameters.binary_data_size"),
    (binary("INT8", ONE.astype(np.int8)), "inputs[0].datatype"),
    ({"content": b"{}", "headers": {LENGTH: "x"}}, LENGTH),
    ({"content": b"{}", "headers": {LENGTH: "-1"}}, LENGTH),
    ({"content": b"abc", "headers": {LENGTH: "0"}}, "inputs[0]"),
    ({"content": b"", "headers": {LENGTH: "2"}}, LENGTH),
]


@pytest.mark.parametrize(("request_", "field"), WRONG, ids=range(len(WRONG)))
def test_wrong_bytes(server: Any, request_: dict[str, Any], field: str) -> None:
    response = server.client.post("/v2/models/echo_float/infer", **request_)
    assert (response.status_code, response.json()["field"]) == (400, field), response.text


@pytest.mark.parametrize("raw", [b"\5\0\0\0abc", b"\1\0", b"\1\0\0\0\xff", b"\xff\xff\xff\xff"])
def test_wrong_texts(server: Any, raw: bytes) -> None:
    tensor = {"name": "x", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    response = server.client.post("/v2/models/echo_string/infer", content=head + raw, headers={LENGTH: str(len(head))})
    assert (response.status_code, response.json()["field"]) == (400, "inputs[0]")


def test_a_raw_body_needs_a_model_of_one_input(server: Any) -> None:
    response = server.client.post("/v2/models/add/infer", content=b"abcd", headers={LENGTH: "0"})
    assert (response.status_code, response.json()["field"]) == (400, "inputs")


def test_a_raw_body_is_not_empty(server: Any) -> None:
    response = server.client.post("/v2/models/iris/infer", content=b"", headers={LENGTH: "0"})
    assert (response.status_code, response.json()["field"]) == (400, "body")


def test_json_is_no_raw_body(server: Any) -> None:
    response = server.client.post("/v2/models/iris/infer", json={"inputs": []}, headers={LENGTH: "0"})
    assert (response.status_code, response.json()["field"]) == (400, LENGTH)


def test_tensors_at_odd_places_are_aligned() -> None:
    array = from_bytes(memoryview(b"_" + np.arange(2, dtype=np.float32).tobytes())[1:], "FP32", (2,), "x")
    assert array.flags.aligned
    assert array.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", ["seq(map(int64,tensor(float)))", "complex64"])
def test_outputs_that_the_protocol_has_no_name_for(dtype: str) -> None:
    specs = [TensorSpec("label", "int64", ("batch",)), TensorSpec("odd", dtype, ())]
    with pytest.raises(UnsupportedError, match="odd"):
        check_outputs(InferRequest({}), specs)
    check_outputs(InferRequest({}, outputs={"label": Wanted()}), specs)


# --- compression ---

ROWS = np.arange(4000, dtype=np.float32).reshape(-1, 2)
PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}


@pytest.mark.parametrize("encoding", PACKERS)
def test_compressed_requests(server: Any, encoding: str) -> None:
    request = binary("FP32", ROWS, parameters={"binary_data_output": True})
    headers = request["headers"] | {"content-encoding": encoding, "accept-encoding": ""}
    response = server.client.post(
        "/v2/models/echo_float/infer", content=PACKERS[encoding](request["content"]), headers=headers
    )
    assert response.content[int(response.headers[LENGTH]) :] == ROWS.tobytes()


def test_a_gzip_body_of_two_members(server: Any) -> None:
    text = json.dumps(body("FP32", ROWS, ROWS.tolist())).encode()
    content = gzip.compress(text[:100]) + gzip.compress(text[100:])
    response = server.client.post("/v2/models/echo_float/infer", content=content, headers={"content-encoding": "gzip"})
    assert response.json()["outputs"][0]["data"] == ROWS.ravel().tolist()


@pytest.mark.parametrize(
    ("accept", "got"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip;q=0", None),
        ("br", None),
        ("", None),
    ],
)
def test_compressed_answers(server: Any, accept: str, got: str | None) -> None:
    request = binary("FP32", ROWS, parameters={"binary_data_output": True})
    request["headers"]["accept-encoding"] = accept
    response = server.client.post("/v2/models/echo_float/infer", **request)
    assert response.headers.get("content-encoding") == got
    assert response.content[int(response.headers[LENGTH]) :] == ROWS.tobytes()  # the client has unpacked it
    assert (int(response.headers["content-length"]) < ROWS.nbytes) == bool(got)


def test_short_answers_are_not_compressed(server: Any) -> None:
    response = server.client.get("/v2", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in response.headers


# --- classes, configuration, statistics ---


def test_an_output_as_classes(server: Any) -> None:
    image = np.stack([np.full((4, 4, 1), 5), np.full((4, 4, 1), 250)]).astype(np.uint8)
    tensor = {"name": "image", "datatype": "UINT8", "shape": [2, 4, 4, 1], "data": image.ravel().tolist()}
    wanted = [{"name": "output", "parameters": {"classification": 2}}]
    answer = server.client.post("/v2/models/digits/infer", json={"inputs": [tensor], "outputs": wanted}).json()
    (output,) = answer["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    assert output["data"] == ["-0.250000:0:dark", "-6.150000:1:mid", "-0.250000:2:light", "-6.100000:1:mid"]


@pytest.mark.parametrize(
    ("array", "classes", "want"),
    [
        (np.array([[1, 3, 2]]), 1, [["3:1"]]),
        (np.array([2.5, 2.5], np.float16), 9, ["2.500000:0", "2.500000:1"]),
        (np.array([[0, 2**64 - 1]], np.uint64), 2, [["18446744073709551615:1", "0:0"]]),
        (np.empty((0, 3)), 2, []),
        (np.array(7.0), 1, ["7.000000:0"]),
    ],
)
def test_classes_of(array: np.ndarray, classes: int, want: Any) -> None:
    assert top_classes(array, classes, ["only", "four", "labels", "here"]).tolist() == want


def test_texts_have_no_classes(server: Any) -> None:
    asked = body("BYTES", np.empty((1, 2)), ["a", "b"]) | {
        "outputs": [{"name": "y", "parameters": {"classification": 1}}]
    }
    response = server.client.post("/v2/models/echo_string/infer", json=asked)
    assert (response.status_code, response.json()["field"]) == (400, "outputs")


@pytest.mark.parametrize(
    ("model", "rows", "dims", "kind"),
    [("iris", 32, [4], "TYPE_FP32"), ("echo_string", 32, [2], "TYPE_STRING"), ("echo_bfloat16", 32, [2], "TYPE_BF16")],
)
def test_config(server: Any, model: str, rows: int, dims: list[int], kind: str) -> None:
    config = server.client.get(f"/v2/models/{model}/config").json()
    assert config["max_batch_size"] == rows
    assert config["input"] == [{"name": "x", "data_type": kind, "dims": dims}]


def test_statistics(serve: Any, folder: Any) -> None:
    with serve(folder / "echo_float.onnx", folder / "lookup.onnx") as server:
        for rows in (2, 3, 3):
            server.client.post("/v2/models/echo_float/infer", json=body("FP32", np.ones((rows, 2)), [1] * 2 * rows))
        server.client.post("/v2/models/echo_float/infer", json=body("FP32", np.ones((1, 3)), [1] * 3))
        (one,) = server.client.get("/v2/models/echo_float/stats").json()["model_stats"]
        both = server.client.get("/v2/models/stats").json()["model_stats"]
    assert (one["inference_count"], one["execution_count"]) == (8, 3)
    counts = {stage: duration["count"] for stage, duration in one["inference_stats"].items()}
    assert {stage: count for stage, count in counts.items() if count} == {
        "success": 3,
        "fail": 1,
        "queue": 3,
        "compute_input": 3,
        "compute_infer": 3,
        "compute_output": 3,
    }
    assert [(batch["batch_size"], batch["compute_infer"]["count"]) for batch in one["batch_stats"]] == [(2, 1), (3, 2)]
    assert 0 < one["inference_stats"]["compute_infer"]["ns"] <= one["inference_stats"]["success"]["ns"]
    assert [(entry["name"], entry["inference_count"]) for entry in both] == [("echo_float", 8), ("lookup", 0)]


def test_a_batch_counts_once_for_all_who_shared_it() -> None:
    statistics = Statistics(lambda: [("m", "1")])
    for rows in (1, 2, 4):
        with statistics.of_request("m", "1") as counted:
            counted.answered(Answer({}, queue=1.0, compute=0.7, rows=7), rows)
    entry = statistics.as_json("m", "1")
    assert (entry["inference_count"], entry["execution_count"]) == (7, 1)
    assert entry["batch_stats"][0]["compute_infer"] == {"count": 1, "ns": 700_000_000}


def test_versions_that_are_gone_are_forgotten() -> None:
    """A server that gets new versions all the time kept the counts of each."""
    known = [("m", "1"), ("other", "1")]
    statistics = Statistics(lambda: known)
    for name, version in known:
        statistics.refused(name, version)
    known[0] = ("m", "2")
    statistics.refused("m", "2")

    def failures(name: str, version: str) -> int:
        return int(statistics.as_json(name, version)["inference_stats"]["fail"]["count"])

    assert [failures(*key) for key in (("m", "1"), ("m", "2"), ("other", "1"))] == [0, 1, 1]


def test_a_request_without_rows_was_computed_as_well() -> None:
    statistics = Statistics(lambda: [("m", "1")])
    with statistics.of_request("m", "1") as counted:
        counted.answered(Answer({}, queue=0.0, compute=0.1, rows=0), 0)
    stages = statistics.as_json("m", "1")["inference_stats"]
    assert [stages[stage]["count"] for stage in ("compute_infer", "cache_hit", "cache_miss")] == [1, 0, 0]
