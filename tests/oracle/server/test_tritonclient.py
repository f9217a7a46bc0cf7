"""Every call of tritonclient, over HTTP and gRPC, against this server."""

from __future__ import annotations

import inspect
import queue
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.utils import InferenceServerException

from lampion_server.grpc.schema import POOL

TRANSPORTS = {"http": triton_http, "grpc": triton_grpc}
X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: Any) -> str:
    return request.param


@pytest.fixture(scope="module")
def triton(transport: str) -> Any:
    """The client's module."""
    return TRANSPORTS[transport]


@pytest.fixture(scope="module")
def client(running: Any, triton: Any, transport: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address(running, transport)) as client:
        yield client


def address(server: Any, transport: str) -> str:
    return server.url.removeprefix("http://") if transport == "http" else f"127.0.0.1:{server.plane.grpc_port}"


def given(triton: Any, name: str, datatype: str, array: np.ndarray, **how: Any) -> Any:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, **how)
    return tensor


def as_json(answer: Any) -> Any:
    """What a call tells, as plain JSON on either transport."""
    if isinstance(answer, dict | list):
        return answer
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(answer, preserving_proto_field_name=True)


# --- asking ---


def test_health(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "1")


def test_metadata(client: Any) -> None:
    assert "binary_tensor_data" in as_json(client.get_server_metadata())["extensions"]
    metadata = as_json(client.get_model_metadata("iris"))
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["x"]
    assert [int(size) for size in metadata["inputs"][0]["shape"]] == [-1, 4]


def test_config(client: Any) -> None:
    answer = as_json(client.get_model_config("iris", "1"))
    config = answer.get("config", answer)
    assert (config["name"], config["max_batch_size"]) == ("iris", 32)
    assert config["input"][0]["data_type"] == "TYPE_FP32"


def test_statistics(client: Any, triton: Any) -> None:
    client.infer("iris", [given(triton, "x", "FP32", X)])
    (one,) = as_json(client.get_inference_statistics("iris"))["model_stats"]
    assert int(one["inference_count"]) >= 2
    assert len(as_json(client.get_inference_statistics())["model_stats"]) > 1


def test_repository(serve: Any, build: Any, tmp_path: Any, triton: Any, transport: str) -> None:
    with serve(build.iris(tmp_path / "a.onnx"), grpc_port=0) as server:
        client = triton.InferenceServerClient(address(server, transport))
        client.unload_model("iris")
        index = as_json(client.get_model_repository_index())
        (line,) = index["models"] if isinstance(index, dict) else index
        assert line["state"] == "UNAVAILABLE"
        assert not client.is_model_ready("iris")
        client.load_model("iris")
        assert client.is_model_ready("iris")
        with pytest.raises(InferenceServerException, match="config"):
            client.load_model("iris", config="{}")
        client.close()


# --- inference ---

VALUES = [
    ("echo_bool", "BOOL", np.array([[True, False]])),
    ("echo_int8", "INT8", np.array([[-128, 127]], np.int8)),
    ("echo_int64", "INT64", np.array([[-(2**63), 2**63 - 1]], np.int64)),
    ("echo_uint64", "UINT64", np.array([[0, 2**64 - 1]], np.uint64)),
    ("echo_float16", "FP16", np.array([[1.5, -65504]], np.float16)),
    ("echo_bfloat16", "BF16", np.array([[1.5, -3e38]], ml_dtypes.bfloat16)),
    ("echo_float", "FP32", np.array([[0.1, -3e38]], np.float32)),
    ("echo_double", "FP64", np.array([[0.1, 1e300]], np.float64)),
    ("echo_string", "BYTES", np.array([["ä".encode(), b""]], object)),
]


@pytest.mark.parametrize(("model", "datatype", "array"), VALUES, ids=[row[1] for row in VALUES])
def test_datatypes(client: Any, triton: Any, model: str, datatype: str, array: np.ndarray) -> None:
    result = client.infer(model, [given(triton, "x", datatype, array)])
    assert np.array_equal(result.as_numpy("y"), array)


def test_ids_parameters_versions_and_timeouts(client: Any, triton: Any) -> None:
    asked = {"request_id": "a-7", "model_version": "1", "parameters": {"colour": "red"}, "timeout": 10_000_000}
    answer = client.infer("iris", [given(triton, "x", "FP32", X)], **asked).get_response()
    answer = as_json(answer)
    assert (answer["id"], answer["model_version"]) == ("a-7", "1")
    assert answer["parameters"]["colour"] in ("red", {"string_param": "red"})


def test_classes(client: Any, triton: Any) -> None:
    wanted = [triton.InferRequestedOutput("y", class_count=2)]
    result = client.infer("iris", [given(triton, "x", "FP32", X)], outputs=wanted)
    assert result.as_numpy("y").tolist() == [[b"4.000000:2", b"2.000000:1"], [b"12.000000:2", b"10.000000:1"]]


@pytest.mark.parametrize(("sent", "wanted"), [(True, False), (False, True), (False, False)])
def test_json_tensors(running: Any, sent: bool, wanted: bool) -> None:
    with triton_http.InferenceServerClient(address(running, "http")) as client:
        outputs = [triton_http.InferRequestedOutput("y", binary_data=wanted)]
        result = client.infer("iris", [given(triton_http, "x", "FP32", X, binary_data=sent)], outputs=outputs)
        assert np.array_equal(result.as_numpy("y"), 2 * X[:, :3])


@pytest.mark.parametrize("one", ["gzip", "deflate", None])
@pytest.mark.parametrize("other", ["gzip", "deflate", None])
def test_http_compression(running: Any, one: str | None, other: str | None) -> None:
    array = np.zeros((1000, 2), np.float32)
    with triton_http.InferenceServerClient(address(running, "http")) as client:
        result = client.infer(
            "echo_float",
            [given(triton_http, "x", "FP32", array)],
            request_compression_algorithm=one,
            response_compression_algorithm=other,
        )
        assert np.array_equal(result.as_numpy("y"), array)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_grpc_compression(running: Any, algorithm: str) -> None:
    array = np.zeros((1000, 2), np.float32)
    with triton_grpc.InferenceServerClient(address(running, "grpc")) as client:
        inputs = [given(triton_grpc, "x", "FP32", array)]
        result = client.infer("echo_float", inputs, compression_algorithm=algorithm)
        assert np.array_equal(result.as_numpy("y"), array)


def test_many_at_a_time(running: Any, triton: Any, transport: str) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    with triton.InferenceServerClient(
        address(running, transport), **({"concurrency": 8} if transport == "http" else {})
    ) as client:
        asked = [given(triton, "x", "FP32", X * i) for i in range(50)]
        if transport == "http":
            results = [pending.get_result() for pending in [client.async_infer("iris", [one]) for one in asked]]
        else:
            for i, one in enumerate(asked):
                client.async_infer("iris", [one], lambda result, error: answers.put(result), request_id=str(i))
            results = [answers.get(timeout=60) for _ in asked]
            results.sort(key=lambda result: int(result.get_response().id))
    assert all(np.array_equal(result.as_numpy("y"), 2 * i * X[:, :3]) for i, result in enumerate(results))


def test_a_stream(running: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    with triton_grpc.InferenceServerClient(address(running, "grpc")) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for i in range(20):
            wrong = X[:, :3] if i == 7 else X
            client.async_stream_infer("iris", [given(triton_grpc, "x", "FP32", wrong)], request_id=str(i))
        told = [answers.get(timeout=60) for _ in range(20)]
        client.stop_stream()
    assert [i for i, (_, error) in enumerate(told) if error] == [7]
    assert [result.get_response().id for result, error in told if not error] == [str(i) for i in range(20) if i != 7]


@pytest.mark.parametrize("name", TRANSPORTS)
def test_asynchronous_clients(running: Any, name: str) -> None:
    import asyncio

    module = {"http": triton_http_aio, "grpc": triton_grpc_aio}[name]

    async def scene() -> Any:
        async with module.InferenceServerClient(address(running, name)) as client:
            assert await client.is_server_ready()
            return await client.infer("iris", [given(TRANSPORTS[name], "x", "FP32", X)])

    assert np.array_equal(asyncio.run(scene()).as_numpy("y"), 2 * X[:, :3])


# --- what is refused ---

ERRORS = [
    ("nobody", "FP32", X, "nobody"),
    ("iris", "FP64", X.astype(np.float64), r"inputs\[0\].datatype"),
    ("iris", "FP32", X[:, :3], r"inputs\[0\].shape"),
]


@pytest.mark.parametrize(("model", "datatype", "array", "words"), ERRORS)
def test_errors(client: Any, triton: Any, model: str, datatype: str, array: np.ndarray, words: str) -> None:
    with pytest.raises(InferenceServerException, match=words):
        client.infer(model, [given(triton, "x", datatype, array)])


REFUSED: dict[str, Callable[[Any], Any]] = {
    "get_system_shared_memory_status": lambda client: client.get_system_shared_memory_status(),
    "register_system_shared_memory": lambda client: client.register_system_shared_memory("a", "/a", 8),
    "unregister_system_shared_memory": lambda client: client.unregister_system_shared_memory("a"),
    "get_cuda_shared_memory_status": lambda client: client.get_cuda_shared_memory_status(),
    "register_cuda_shared_memory": lambda client: client.register_cuda_shared_memory("a", b"YQ==", 0, 8),
    "unregister_cuda_shared_memory": lambda client: client.unregister_cuda_shared_memory("a"),
    "get_trace_settings": lambda client: client.get_trace_settings(),
    "update_trace_settings": lambda client: client.update_trace_settings(),
    "get_log_settings": lambda client: client.get_log_settings(),
    "update_log_settings": lambda client: client.update_log_settings({}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_extensions_that_are_not_offered_are_refused(client: Any, name: str) -> None:
    with pytest.raises(InferenceServerException) as refusal:
        REFUSED[name](client)
    assert refusal.value.status() in ("404", "StatusCode.UNIMPLEMENTED")


def test_nothing_of_the_clients_is_left_out(triton: Any) -> None:
    source = inspect.getsource(inspect.getmodule(test_nothing_of_the_clients_is_left_out))  # type: ignore[arg-type]
    local = {"close", "plugin", "register_plugin", "unregister_plugin", "generate_request_body", "parse_response_body"}
    public = {name for name in vars(triton.InferenceServerClient) if not name.startswith("_")} - local
    assert {name for name in public if f"client.{name}(" not in source} == set()


# --- the messages ---


@pytest.mark.parametrize("ours", POOL.FindFileByName("open_inference.proto").message_types_by_name)
def test_messages_are_those_of_the_protocol(ours: str) -> None:
    mine = POOL.FindMessageTypeByName(f"inference.{ours}")
    theirs = {**service_pb2.DESCRIPTOR.message_types_by_name, **model_config_pb2.DESCRIPTOR.message_types_by_name}[ours]
    compare(mine, theirs)


def compare(mine: Any, theirs: Any) -> None:
    for field in mine.fields:
        other = theirs.fields_by_name[field.name]
        assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated), (
            field.name
        )
        if field.enum_type:
            assert {v.name: v.number for v in field.enum_type.values} == {
                v.name: v.number for v in other.enum_type.values
            }
    for nested in mine.nested_types:
        compare(nested, theirs.nested_types_by_name[nested.name])
