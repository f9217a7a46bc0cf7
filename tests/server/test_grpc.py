"""gRPC, spoken by plain grpcio with our own messages; clients of other makers are among the oracles."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from lampion_server.datatypes import to_bytes
from lampion_server.grpc import methods
from lampion_server.grpc.health import Health
from lampion_server.grpc.methods import STREAMS, UNARY
from lampion_server.grpc.schema import METHODS, SERVICE, message
from lampion_server.grpc.server import ERROR_METADATA
from lampion_server.grpc.tensors import CONTENTS

ModelInferRequest = message("ModelInferRequest")
X = np.array([[1, 2, 3, 4]], np.float32)


class Caller:
    """Calls methods of the service by name on one channel; fields of the request are keyword arguments."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def __call__(self, method: str, request: Any = None, timeout: float | None = 60, **fields: Any) -> Any:
        asked = message(f"{method}Request")(**fields) if request is None else request
        return self._callable(self.channel.unary_unary, method)(asked, timeout=timeout)

    def stream(self, requests: Iterator[Any]) -> Any:
        return self._callable(self.channel.stream_stream, "ModelStreamInfer")(requests, timeout=60)

    def _callable(self, kind: Any, method: str) -> Any:
        answer = message(METHODS_BY_NAME[method].output_type.name)
        return kind(
            f"/{SERVICE}/{method}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer.FromString,
        )


METHODS_BY_NAME = {method.name: method for method in METHODS}


@pytest.fixture(scope="module")
def running(serve: Any, folder: Any) -> Iterator[Any]:
    """A server of all models, with gRPC."""
    with serve(folder, grpc_port=0, max_body_bytes=1_000_000) as server:
        yield server


@pytest.fixture(scope="module")
def call(running: Any) -> Iterator[Caller]:
    """A caller of the server that all tests share."""
    caller = Caller(running.plane.grpc_port)
    yield caller
    caller.channel.close()


def raw(model: str, datatype: str, array: np.ndarray, **fields: Any) -> Any:
    """A request of one input `x` as raw bytes."""
    tensor = {"name": "x", "datatype": datatype, "shape": array.shape}
    return ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[to_bytes(array)], **fields)


def typed(model: str, datatype: str, array: np.ndarray, values: list[Any] | None = None, **fields: Any) -> Any:
    """A request of one input `x` in typed contents."""
    contents = {CONTENTS[datatype]: array.ravel().tolist() if values is None else values}
    tensor = {"name": "x", "datatype": datatype, "shape": array.shape, "contents": contents}
    return ModelInferRequest(model_name=model, inputs=[tensor], **fields)


# --- what there is ---


def test_every_method_of_the_schema_has_a_handler() -> None:
    assert {*UNARY, *STREAMS} == set(METHODS_BY_NAME)


def test_the_server(call: Caller) -> None:
    assert call("ServerLive").live
    assert call("ServerReady").ready
    assert "statistics" in call("ServerMetadata").extensions


@pytest.mark.parametrize("version", ["", "1"])
def test_a_model(call: Caller, version: str) -> None:
    assert call("ModelReady", name="iris", version=version).ready
    metadata = call("ModelMetadata", name="iris", version=version)
    assert (metadata.name, list(metadata.versions)) == ("iris", ["1"])
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [("x", "FP32", [-1, 4])]
    config = call("ModelConfig", name="iris", version=version).config
    assert (config.max_batch_size, list(config.input[0].dims), config.WhichOneof("scheduling_choice")) == (
        *(32, [4]),
        "dynamic_batching",
    )


def test_statistics_are_those_of_rest(call: Caller, running: Any) -> None:
    call("ModelInfer", raw("iris", "FP32", X))
    (one,) = call("ModelStatistics", name="iris").model_stats
    (same,) = running.client.get("/v2/models/iris/stats").json()["model_stats"]
    assert one.inference_count == same["inference_count"] > 0
    assert one.inference_stats.queue.ns == same["inference_stats"]["queue"]["ns"]
    assert len(call("ModelStatistics").model_stats) == len(running.plane.index())


def test_the_repository(serve: Any, build: Any, tmp_path: Any) -> None:
    build.iris(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_text("no model")
    with serve(tmp_path, grpc_port=0) as server:
        call = Caller(server.plane.grpc_port)
        assert not call("ServerReady").ready
        assert not call("ModelReady", name="b").ready
        assert [model.state for model in call("RepositoryIndex").models] == ["UNAVAILABLE", "READY"]
        assert [model.name for model in call("RepositoryIndex", ready=True).models] == ["iris"]
        call("RepositoryModelUnload", model_name="iris")
        with pytest.raises(grpc.RpcError) as refusal:
            call("ModelInfer", raw("iris", "FP32", X))
        assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
        call("RepositoryModelLoad", model_name="iris")
        assert call("ModelInfer", raw("iris", "FP32", X)).model_name == "iris"
        call.channel.close()


# --- tensors ---

VALUES = [
    ("echo_bool", "BOOL", np.array([[True, False]])),
    ("echo_int8", "INT8", np.array([[-128, 127]], np.int8)),
    ("echo_int64", "INT64", np.array([[-(2**63), 2**63 - 1]], np.int64)),
    ("echo_uint64", "UINT64", np.array([[0, 2**64 - 1], [1, 2**63 + 1]], np.uint64)),
    ("echo_float", "FP32", np.array([[np.nan, -3e38]], np.float32)),
    ("echo_double", "FP64", np.array([[0.1, -np.inf]], np.float64)),
    ("echo_string", "BYTES", np.array([["ä", "日本"], ["", "x" * 300]], object)),
    ("echo_float", "FP32", np.empty((0, 2), np.float32)),
]
HALVES = [
    ("echo_float16", "FP16", np.array([[1.5, -65504]], np.float16)),
    ("echo_bfloat16", "BF16", np.array([[1.5, -3e38]], ml_dtypes.bfloat16)),
]


@pytest.mark.parametrize(("model", "datatype", "array"), VALUES + HALVES)
def test_raw_there_and_back(call: Caller, model: str, datatype: str, array: np.ndarray) -> None:
    answer = call("ModelInfer", raw(model, datatype, array))
    (output,) = answer.outputs
    assert (output.datatype, list(output.shape)) == (datatype, list(array.shape))
    assert list(answer.raw_output_contents) == [to_bytes(array)]


@pytest.mark.parametrize(("model", "datatype", "array"), VALUES)
def test_typed_there_and_back(call: Caller, model: str, datatype: str, array: np.ndarray) -> None:
    values = [text.encode() for text in array.ravel()] if datatype == "BYTES" else None
    answer = call("ModelInfer", typed(model, datatype, array, values))
    (output,) = answer.outputs
    assert not answer.raw_output_contents
    back = list(getattr(output.contents, CONTENTS[datatype]))
    if datatype == "BYTES":
        assert back == values
    else:
        assert np.array_equal(np.array(back, array.dtype).reshape(array.shape), array, equal_nan=datatype != "BOOL")


def test_ids_parameters_and_classes(call: Caller) -> None:
    parameters = {"a": {"string_param": "b"}, "n": {"int64_param": -1}, "u": {"uint64_param": 2**64 - 1}}
    parameters |= {"yes": {"bool_param": True}, "half": {"double_param": 0.5}, "timeout": {"int64_param": 10_000_000}}
    wanted = [{"name": "y", "parameters": {"classification": {"int64_param": 1}}}]
    answer = call("ModelInfer", raw("iris", "FP32", X, id="a-7", parameters=parameters, outputs=wanted))
    assert (answer.id, answer.model_version) == ("a-7", "1")
    back = {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in answer.parameters.items()}
    assert back == {"a": "b", "n": -1, "u": 2**64 - 1, "yes": True, "half": 0.5}
    assert (answer.outputs[0].datatype, list(answer.outputs[0].shape)) == ("BYTES", [1, 1])
    assert answer.raw_output_contents[0][4:] == b"6.000000:2"


# --- streams ---


def test_a_stream_answers_in_order_and_outlives_an_error(call: Caller) -> None:
    requests = [raw("iris", "FP32", X * i, id=str(i)) for i in range(200)]
    requests[3].inputs[0].shape[1] = 5
    answers = list(call.stream(iter(requests)))
    assert [answer.infer_response.id for answer in answers] == [str(i) for i in range(200)]
    assert [i for i, answer in enumerate(answers) if answer.error_message] == [3]
    assert "inputs[0]" in answers[3].error_message
    last = np.frombuffer(answers[-1].infer_response.raw_output_contents[0], np.float32)
    assert last.tolist() == [398, 796, 1194]


def test_the_end_of_a_stream_is_said_where_asked(call: Caller) -> None:
    asked = raw("iris", "FP32", X, parameters={"triton_enable_empty_final_response": {"bool_param": True}})
    (answer,) = call.stream(iter([asked]))
    assert answer.infer_response.parameters["triton_final_response"].bool_param


# --- deadlines, health, reflection ---


def test_a_deadline_holds_while_the_model_computes(call: Caller, running: Any) -> None:
    slow = raw("spin", "FP32", np.array([[3e5]], np.float32))
    before = running.metric("lampion_requests_total", model="spin", status="499")
    with pytest.raises(grpc.RpcError) as late:
        call("ModelInfer", slow, timeout=0.05)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    call("ModelInfer", raw("spin", "FP32", np.array([[1]], np.float32)))  # waits for what was begun
    told = {status: running.metric("lampion_requests_total", model="spin", status=status) for status in ("499", "504")}
    assert told["499"] + told["504"] > before


def test_the_parameter_timeout_is_a_deadline(call: Caller) -> None:
    slow = raw("spin", "FP32", np.array([[3e5]], np.float32), parameters={"timeout": {"int64_param": 20_000}})
    error = refused(call, slow)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(("service", "state"), [("", "SERVING"), (SERVICE, "SERVING"), ("iris", "SERVING")])
def test_health(call: Caller, service: str, state: str) -> None:
    stub = health_pb2_grpc.HealthStub(call.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) == state


def test_health_of_nobody(call: Caller) -> None:
    with pytest.raises(grpc.RpcError) as error:
        health_pb2_grpc.HealthStub(call.channel).Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_who_watches_health_hears_of_changes(serve: Any, build: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(Health, "every", 0.01)
    with serve(build.iris(tmp_path / "a.onnx"), grpc_port=0) as server:
        channel = grpc.insecure_channel(f"127.0.0.1:{server.plane.grpc_port}")
        heard = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="iris"))
        states = [next(heard).status]
        for verb in ("unload", "load"):
            server.client.post(f"/v2/repository/models/iris/{verb}")
            states.append(next(heard).status)
        heard.cancel()
        channel.close()
    assert states == [1, 2, 1]


def test_a_server_that_ends_waits_neither_for_watchers_nor_for_open_streams(
    serve: Any, build: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Health, "every", 0.01)
    monkeypatch.setattr(methods, "QUIET", 0.05)
    over = threading.Event()

    def requests() -> Iterator[Any]:
        yield raw("iris", "FP32", X, id="1")
        over.wait()

    with serve(build.iris(tmp_path / "a.onnx"), grpc_port=0) as server:
        caller = Caller(server.plane.grpc_port)
        watched = health_pb2.HealthCheckRequest(service="iris")
        heard = health_pb2_grpc.HealthStub(caller.channel).Watch(watched, timeout=60)
        states, answers = [next(heard).status], caller.stream(requests())
        assert next(answers).infer_response.id == "1"
        server.plane.draining = True
        states += [state.status for state in heard]
        with pytest.raises(grpc.RpcError) as ended:
            next(answers)
        over.set()
        caller.channel.close()
    assert states == [1, 2]
    assert (ended.value.code().name, ended.value.details()) == ("UNAVAILABLE", "the server is shutting down")


def test_reflection(call: Caller) -> None:
    database = ProtoReflectionDescriptorDatabase(call.channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    assert database.FindFileContainingSymbol("inference.ModelInferRequest").package == "inference"


# --- what is wrong ---


def changed(request: Any, **fields: Any) -> Any:
    """The request with fields of its first input set."""
    for name, value in fields.items():
        if name == "shape":
            request.inputs[0].shape[:] = value
        else:
            setattr(request.inputs[0], name, value)
    return request


def with_parameter(request: Any, name: str, **choice: Any) -> Any:
    request.inputs[0].parameters[name].CopyFrom(message("InferParameter")(**choice))
    return request


def good() -> Any:
    return raw("iris", "FP32", X)


TEXT = {"string_param": "r"}
WRONG = [
    # request, code, field
    (ModelInferRequest(), "NOT_FOUND", "model"),
    (raw("nobody", "FP32", X), "NOT_FOUND", "model"),
    (raw("iris", "FP32", X, model_version="7"), "NOT_FOUND", "version"),
    (ModelInferRequest(model_name="iris"), "INVALID_ARGUMENT", "inputs"),
    (changed(good(), name=""), "INVALID_ARGUMENT", "inputs[0].name"),
    (changed(good(), name="z"), "INVALID_ARGUMENT", "inputs[0].name"),
    (changed(good(), datatype=""), "INVALID_ARGUMENT", "inputs[0].datatype"),
    (changed(good(), datatype="FLOAT"), "INVALID_ARGUMENT", "inputs[0].datatype"),
    (changed(good(), datatype="INT32"), "INVALID_ARGUMENT", "inputs[0].datatype"),
    (changed(good(), shape=[-1, 4]), "INVALID_ARGUMENT", "inputs[0].shape"),
    (changed(good(), shape=[1] * 33), "INVALID_ARGUMENT", "inputs[0].shape"),
    (changed(good(), shape=[4]), "INVALID_ARGUMENT", "inputs[0].shape"),
    (changed(good(), shape=[2, 4]), "INVALID_ARGUMENT", "inputs[0]"),
    (changed(good(), shape=[2**40, 2**40]), "INVALID_ARGUMENT", "inputs[0].shape"),
    (changed(good(), shape=[0, 2**40, 2**40]), "INVALID_ARGUMENT", "inputs[0].shape"),
    (
        with_parameter(good(), "shared_memory_region", **TEXT),
        "UNIMPLEMENTED",
        "inputs[0].parameters.shared_memory_region",
    ),
    (raw("iris", "FP32", X, outputs=[{"name": "z"}]), "INVALID_ARGUMENT", "outputs[0].name"),
    (raw("iris", "FP32", X, outputs=[{"name": "y"}, {"name": "y"}]), "INVALID_ARGUMENT", "outputs[1].name"),
    (
        raw("iris", "FP32", X, outputs=[{"name": "y", "parameters": {"shared_memory_region": TEXT}}]),
        "UNIMPLEMENTED",
        "outputs[0].parameters.shared_memory_region",
    ),
    (
        raw("iris", "FP32", X, outputs=[{"name": "y", "parameters": {"classification": TEXT}}]),
        "INVALID_ARGUMENT",
        "outputs[0].parameters.classification",
    ),
    (raw("iris", "FP32", X, parameters={"timeout": TEXT}), "INVALID_ARGUMENT", "parameters.timeout"),
    (raw("iris", "FP32", X, parameters={"timeout": {"int64_param": -1}}), "INVALID_ARGUMENT", "parameters.timeout"),
    (raw("add", "FP32", X[:, :2]), "INVALID_ARGUMENT", "inputs[0].name"),
    (typed("iris", "FP32", X, [1, 2, 3]), "INVALID_ARGUMENT", "inputs[0].contents.fp32_contents"),
    (changed(typed("iris", "FP32", X), datatype="FP64"), "INVALID_ARGUMENT", "inputs[0].contents.fp32_contents"),
    (changed(typed("iris", "FP32", X), datatype="FP16"), "INVALID_ARGUMENT", "inputs[0].datatype"),
    (typed("echo_int8", "INT8", np.ones((1, 2)), [1, 128]), "INVALID_ARGUMENT", "inputs[0].contents.int_contents"),
    (
        typed("echo_string", "BYTES", np.ones((1, 2)), [b"a", b"\xff"]),
        "INVALID_ARGUMENT",
        "inputs[0].contents.bytes_contents",
    ),
    (raw("echo_string", "BYTES", np.array([["a"]], object)), "INVALID_ARGUMENT", "inputs[0].shape"),
    (raw("lookup", "INT64", np.array([9])), "INVALID_ARGUMENT", "inputs[0].name"),
]
BOTH = typed("iris", "FP32", X)
BOTH.raw_input_contents.append(X.tobytes())
WRONG.append((BOTH, "INVALID_ARGUMENT", "inputs[0].contents"))
TWO_RAW = good()
TWO_RAW.raw_input_contents.append(b"")
WRONG.append((TWO_RAW, "INVALID_ARGUMENT", "raw_input_contents"))
TWICE = good()
TWICE.inputs.append(TWICE.inputs[0])
TWICE.raw_input_contents.append(X.tobytes())
WRONG.append((TWICE, "INVALID_ARGUMENT", "inputs[1].name"))


def refused(call: Caller, request: Any, method: str = "ModelInfer") -> Any:
    with pytest.raises(grpc.RpcError) as error:
        call(method, request)
    return error.value


@pytest.mark.parametrize(("request_", "code", "field"), WRONG, ids=range(len(WRONG)))
def test_infer_says_what_is_wrong(call: Caller, request_: Any, code: str, field: str) -> None:
    error = refused(call, request_)
    told = json.loads(dict(error.trailing_metadata())[ERROR_METADATA])
    assert (error.code().name, told["field"]) == (code, field), error.details()
    assert sorted(told) == ["code", "error", "field", "hint"]
    assert told["error"] == error.details()
    assert call("ModelInfer", good()).raw_output_contents[0] == (2 * X[:, :3]).tobytes()


ELSEWHERE = [
    ("ModelReady", {"name": "nobody"}, "NOT_FOUND", "model"),
    ("ModelMetadata", {"name": "iris", "version": "9"}, "NOT_FOUND", "version"),
    ("ModelConfig", {}, "NOT_FOUND", "model"),
    ("ModelStatistics", {"name": "nobody"}, "NOT_FOUND", "model"),
    ("RepositoryIndex", {"repository_name": "other"}, "INVALID_ARGUMENT", "repository_name"),
    ("RepositoryModelLoad", {"model_name": "nobody"}, "NOT_FOUND", "model"),
    ("RepositoryModelUnload", {"model_name": "nobody"}, "NOT_FOUND", "model"),
    (
        "RepositoryModelLoad",
        {"model_name": "iris", "parameters": {"config": {"string_param": "{}"}}},
        "UNIMPLEMENTED",
        "parameters.config",
    ),
]


@pytest.mark.parametrize(("method", "fields", "code", "field"), ELSEWHERE, ids=range(len(ELSEWHERE)))
def test_other_methods_say_what_is_wrong(call: Caller, method: str, fields: Any, code: str, field: str) -> None:
    error = refused(call, message(f"{method}Request")(**fields), method)
    told = json.loads(dict(error.trailing_metadata())[ERROR_METADATA])
    assert (error.code().name, told["field"]) == (code, field), error.details()


def test_more_than_the_limit(call: Caller) -> None:
    error = refused(call, raw("echo_float", "FP32", np.zeros((200_000, 2), np.float32)))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_bytes_that_are_no_message(call: Caller) -> None:
    with pytest.raises(grpc.RpcError) as error:
        call.channel.unary_unary(f"/{SERVICE}/ModelInfer")(b"\xff\xff\xff", timeout=60)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as error:
        list(call.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(iter([b"\xff\xff\xff"]), timeout=60))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert call("ServerLive").live
