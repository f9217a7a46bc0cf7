"""Models over REST on one device: lampion_edge's own client, limits, metrics, the command."""

from __future__ import annotations

import json
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.processes import ended, running
from edge.sounds import wav
from edge.web.servers import listening
from onnx import TensorProto, helper
from prometheus_client.parser import text_string_to_metric_families

from lampion_edge import Client, InputError, ServiceError, Session
from lampion_edge.web.serving import Serving

DIGIT = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(DIGIT).save(path)
    return path


@pytest.fixture(scope="module")
def sessions(digits_path: Path, sounds_path: Path, build: Callable[..., bytes]) -> list[Session]:
    kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "b": TensorProto.BOOL, "s": TensorProto.STRING}
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds]
    ins = {name: (kind, ["batch"]) for name, kind in kinds.items()}
    outs = {f"{name}_out": (kind, ["batch"]) for name, kind in kinds.items()}
    return [Session(digits_path), Session(sounds_path), Session(build(nodes, ins, outs))]


@pytest.fixture
def served(sessions: list[Session]) -> Iterator[str]:
    serving = Serving(sessions, queue=8)
    serving.warm_up()
    with listening(serving.routes, told=serving.told) as web:
        yield f"http://127.0.0.1:{web.port}"


@pytest.fixture
def client(served: str) -> Iterator[Client]:
    with Client(served, retries=0) as client:
        yield client


def post(url: str, body: bytes, **headers: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
        return json.loads(answer.read())


ALL = {
    "f": np.float32([1.5, np.nan]),
    "i": np.int64([-(2**63), 5]),
    "b": np.array([True, False]),
    "s": np.array(["a", "bé"]),
}


def test_the_client(client: Client, sessions: list[Session], png: Path) -> None:
    assert client.predict("digits", png, top=3) == sessions[0].predict(png, top=3).labels
    assert [label.name for label in client.predict("sounds", wav(np.full(100, -0.5)))] == ["below", "above"]
    back = client.infer("model", ALL)
    for name, array in ALL.items():
        np.testing.assert_array_equal(back[f"{name}_out"], array)
    assert list(client.infer("model", ALL, ["s_out"], version="1")) == ["s_out"]
    assert client.ready()
    assert [entry["name"] for entry in client.models()] == ["digits", "sounds", "model"]
    assert client.metadata("digits")["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 28, 28, 1]}]


def test_tensors_as_json(served: str) -> None:
    inputs = [
        {"name": "f", "datatype": "FP32", "shape": [2], "data": [1, 2.5]},
        {"name": "i", "datatype": "INT64", "shape": [2], "data": [[1], [2]]},
        {"name": "b", "datatype": "BOOL", "shape": [2], "data": [True, False]},
        {"name": "s", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
    ]
    body = {"id": "7", "inputs": inputs, "outputs": [{"name": "s_out"}, {"name": "f_out"}]}
    assert post(f"{served}/v2/models/model/infer", json.dumps(body).encode()) == {
        **{"model_name": "model", "model_version": "1", "id": "7"},
        "outputs": [
            {"name": "s_out", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
            {"name": "f_out", "datatype": "FP32", "shape": [2], "data": [1.0, 2.5]},
        ],
    }


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "UINT8", "shape": [1], "data": [1]} | changes


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/models/nine/predict", b"", 404, "no model 'nine', only digits, sounds, model"),
        ("/v1/models/digits/predict?tpo=1", b"", 400, "query: expected top or threshold, got 'tpo'"),
        ("/v1/models/digits/predict?top=0", b"", 400, "top: expected an integer from 1 up, got '0'"),
        ("/v1/models/digits/predict?threshold=x", b"", 400, "threshold: expected a number from 0 to 1, got 'x'"),
        ("/v1/models/digits/predict", b"", 400, "expected a file as image, got an empty body"),
        ("/v1/models/digits/predict", b"not a photo", 400, "photo: not an image"),
        ("/v1/models/digits/predict", b"{", 400, "the body is not valid JSON"),
        ("/v1/models/digits/predict", b"{}", 400, "expected either image or images in the JSON object"),
        ("/v1/models/digits/predict", b'{"image": "%"}', 400, "image: not base64"),
        ("/v1/models/digits/predict", b'{"images": [3]}', 400, "images[0]: expected a base64 text, got 3"),
        ("/v1/models/sounds/predict", b"ID3", 400, "expected a wav file"),
        ("/v1/models/model/predict", b"x", 400, "model model takes neither photos nor sounds"),
        ("/v2/models/digits/infer", b"[]", 400, "the body: expected a JSON object, got list"),
        ("/v2/models/digits/infer", b"{}", 400, "the body is no request of the Open Inference Protocol: 'inputs' is missing"),
        ("/v2/models/digits/infer", {"inputs": [tensor(shape=[2])]}, 400, "input 'image': shape [2] doesn't hold 1 elements"),
        ("/v2/models/digits/infer", {"inputs": [tensor(data=[1.5])]}, 400, "input 'image': its data are not all of UINT8"),
        ("/v2/models/digits/infer", {"inputs": [tensor(data=[256])]}, 400, "input 'image': its data are not all of UINT8"),
        ("/v2/models/digits/infer", {"inputs": [tensor(datatype="X")]}, 400, "the body is no request of the Open"),
        ("/v2/models/digits/infer", {"inputs": [tensor()]}, 400, "input 'image': expected uint8 [batch, 28, 28, 1], got"),
        ("/v2/models/digits/versions/2/infer", {"inputs": [tensor()]}, 404, "model digits is here in version 1, not 2"),
    ],
)  # fmt: skip
def test_refusals(client: Client, path: str, body: Any, status: int, words: str) -> None:
    with pytest.raises(ServiceError) as refused:
        client.request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert str(refused.value).startswith(words)
    assert refused.value.status == status


def test_nan_is_not_json(served: str, client: Client) -> None:
    tensors = [
        {"name": n, "datatype": k, "shape": [0], "data": []} for n, k in (("i", "INT64"), ("b", "BOOL"), ("s", "BYTES"))
    ]
    parameters = {"binary_data_size": 4}
    head = json.dumps({"inputs": [*tensors, {"name": "f", "datatype": "FP32", "shape": [1], "parameters": parameters}]})
    with pytest.raises(ServiceError, match="output 'f_out' has NaN or infinity, which JSON can't hold"):
        client.request(
            *("POST", "/v2/models/model/infer", head.encode() + np.float32([np.nan]).tobytes()),
            {"Inference-Header-Content-Length": str(len(head))},
        )


def test_one_computes_and_a_few_wait(sessions: list[Session]) -> None:
    serving = Serving(sessions[:1], queue=2)
    entered, leave, answers = threading.Event(), threading.Event(), list[str]()

    def work() -> str:
        entered.set()
        leave.wait(20)
        return "done"

    threads = [
        threading.Thread(target=lambda: answers.append(serving._computed(sessions[0], work)), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert entered.wait(20)
    while serving._waiting < 3:
        pass
    with pytest.raises(ServiceError, match="2 callers wait already") as refused:
        serving._computed(sessions[0], work)
    assert (refused.value.status, refused.value.retry_after) == (503, 1.0)
    assert serving.stuck(0)
    assert not serving.stuck(60)
    leave.set()
    for thread in threads:
        thread.join()
    assert answers == ["done"] * 3
    assert not serving.stuck(0)


def test_two_models_of_one_name(sessions: list[Session]) -> None:
    with pytest.raises(InputError, match="two of the models are called digits"):
        Serving([sessions[0], sessions[0]], queue=1)


def test_metrics_as_prometheus_reads_them(served: str, client: Client, png: Path) -> None:
    for _ in range(3):
        client.predict("digits", png)
    with pytest.raises(ServiceError):
        client.predict("digits", b"no photo")
    text = client.request("GET", "/metrics")[0].decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    model = ("model", "digits")
    assert samples["lampion_requests_total", model, ("status", "200")] == 3
    assert samples["lampion_requests_total", model, ("status", "400")] == 1
    assert samples["lampion_compute_seconds_count", model] == 3
    buckets = [value for key, value in samples.items() if key[0] == "lampion_request_seconds_bucket" and model in key]
    assert buckets == sorted(buckets)
    assert buckets[-1] == samples["lampion_request_seconds_count", model] == 4
    assert samples["process_resident_memory_bytes",] > 1e6


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_command(digits_path: Path, png: Path, number: signal.Signals, code: int) -> None:
    process = running("serve", digits_path, "--port", "0")
    assert process.stderr is not None
    said, _, url = process.stderr.readline().strip().rpartition(" ")
    assert said == "serving digits at"
    with Client(url) as client:
        assert client.predict("digits", png, top=1) == Session(digits_path).predict(png, top=1).labels
        process.send_signal(number)  # while a connection is held
        assert ended(process) == ("", "")
    assert process.returncode == code
