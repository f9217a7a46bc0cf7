"""Traces of a real server over REST and gRPC, gathered by OpenTelemetry's own exporter for tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lampion_server import tracing
from lampion_server.errors import StartupError
from lampion_server.settings import Settings
from lampion_server.tracing import exporter

X = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
PIPELINE = """
inputs = ["x"]
steps = [{ name = "first", model = "iris", inputs = { x = "x" } }]
outputs = { y = "first" }
"""
CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"


@pytest.fixture(scope="module")
def traced(serve: Any, build: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server and the function that gives the spans since it was called last."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    folder, memory = tmp_path_factory.mktemp("traced"), InMemorySpanExporter()
    build.iris(folder / "iris.onnx")
    build.digits(folder / "digits.onnx")
    build.spin(folder / "spin.onnx")
    (folder / "twice.pipeline.toml").write_text(PIPELINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "exporter", lambda settings: memory)
        with serve(folder, grpc_port=0, traces="http://localhost:4318", tune_seconds=0) as server:

            def spans() -> list[Any]:
                end, found = time.monotonic() + 30, []
                while not any(span.kind.name == "SERVER" for span in found):  # it ends after its answer is there
                    assert time.monotonic() < end, "no request was traced"
                    server.plane.traces._provider.force_flush()
                    found += memory.get_finished_spans()
                    memory.clear()
                return sorted(found, key=lambda span: span.start_time)

            yield server, spans


@pytest.fixture
def spans(traced: Any) -> Callable[[], list[Any]]:
    return traced[1]


def tree(spans: list[Any]) -> tuple[str, list[Any]]:
    """Names below each other, from the one span whose parent isn't among them."""

    def below(span: Any) -> tuple[str, list[Any]]:
        return span.name, [below(one) for one in spans if one.parent and one.parent.span_id == span.context.span_id]

    ids = {span.context.span_id for span in spans}
    (root,) = [span for span in spans if not span.parent or span.parent.span_id not in ids]
    return below(root)


STAGES = [("queue", []), ("compute", [])]


def test_infer(traced: Any, spans: Any) -> None:
    answer = traced[0].client.post("/v2/models/iris/infer", json=X, headers={"X-Request-Id": "a-7"})
    found = spans()
    assert tree(found) == ("POST /v2/models/{model}/infer", STAGES)
    root, queue, compute = found
    assert root.kind.name == "SERVER"
    assert dict(root.attributes) == {
        "http.request.method": "POST",
        "url.path": "/v2/models/iris/infer",
        "http.route": "/v2/models/{model}/infer",
        "http.response.status_code": answer.status_code,
        "lampion.request_id": "a-7",
    }
    assert dict(compute.attributes) == {"lampion.model": "iris", "lampion.version": "1", "lampion.batch_rows": 1}
    assert root.start_time <= queue.end_time == compute.start_time <= compute.end_time <= root.end_time
    assert root.resource.attributes["service.name"] == "lampion"


def in_order(root: Any, *stages: Any) -> bool:
    """Whether the stages lie inside of the request, one after the other.

    An item's decoding is noted when it has ended, by another clock than what comes after: microseconds are allowed for.
    """
    times = [root.start_time, *(time for stage in stages for time in (stage.start_time, stage.end_time)), root.end_time]
    return all(earlier <= later + 1_000_000 for earlier, later in pairwise(times))


def test_predict_decodes_first(traced: Any, spans: Any, build: Any) -> None:
    traced[0].client.post("/v1/models/digits/predict", content=build.photo())
    found = spans()
    assert tree(found) == ("POST /v1/models/{model}/predict", [("decode", []), *STAGES])
    assert in_order(*found)


def test_who_shares_a_batch_has_stages_of_its_own(traced: Any, spans: Any) -> None:
    server, body = traced[0], {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3]}]}
    repository, ask = server.plane.repository, partial(server.client.post, "/v2/models/spin/infer", json=body)
    scheduler, cores = repository.get("spin").scheduler, repository._loader.cores
    with ThreadPoolExecutor(3) as callers:
        with cores.taken(cores.total):
            answers = [callers.submit(ask) for _ in range(3)]
            while scheduler.waiting < 3:
                time.sleep(0.001)
        assert [answer.result().status_code for answer in answers] == [200] * 3
    found = spans()
    while len(found) < 9:
        found += spans()
    traces = [[one for one in found if one.context.trace_id == trace] for trace in {s.context.trace_id for s in found}]
    assert [tree(trace) for trace in traces] == [("POST /v2/models/{model}/infer", STAGES)] * 3
    for trace in traces:
        root, queue, compute = trace
        assert in_order(root, queue, compute)
        assert queue.end_time == compute.start_time
        assert compute.attributes["lampion.batch_rows"] == 3


def test_the_steps_of_a_pipeline(traced: Any, spans: Any) -> None:
    traced[0].client.post("/v2/models/twice/infer", json=X)
    assert tree(spans()) == ("POST /v2/models/{model}/infer", [("step first", STAGES)])


def test_a_caller_who_traces(traced: Any, spans: Any) -> None:
    traced[0].client.post("/v2/models/iris/infer", json=X, headers={"traceparent": PARENT})
    found = spans()
    assert {f"{span.context.trace_id:032x}" for span in found} == {CALLER_TRACE}
    assert f"{found[0].parent.span_id:016x}" == CALLER_SPAN


def test_a_caller_who_does_not_want_to_be_traced(traced: Any, spans: Any) -> None:
    traced[0].client.post("/v2/models/iris/infer", json=X, headers={"traceparent": f"{PARENT[:-2]}00"})
    traced[0].client.get("/v2")
    assert [span.name for span in spans()] == ["GET /v2"]


@pytest.mark.parametrize(
    ("method", "path", "name", "status", "state"),
    [
        ("POST", "/v2/models/iris/infer", "POST /v2/models/{model}/infer", 400, "UNSET"),
        ("GET", "/v2/models/iris/stats", "GET /v2/models/{model}/stats", 200, "UNSET"),
        ("GET", "/nowhere", "GET", 404, "UNSET"),
        ("POST", "/v2/repository/models/iris/unload", "POST /v2/repository/models/{model}/unload", 200, "UNSET"),
        ("GET", "/v2/models/iris/ready", "GET /v2/models/{model}/ready", 503, "ERROR"),
        ("POST", "/v2/repository/models/iris/load", "POST /v2/repository/models/{model}/load", 200, "UNSET"),
    ],
)
def test_others(traced: Any, spans: Any, method: str, path: str, name: str, status: int, state: str) -> None:
    assert traced[0].client.request(method, path).status_code == status
    (span,) = spans()
    assert (span.name, span.attributes["http.response.status_code"], span.status.status_code.name) == (
        name,
        status,
        state,
    )


@pytest.mark.parametrize(("shape", "code", "below"), [([1, 4], 0, STAGES), ([2, 2], 3, [])])
def test_grpc(traced: Any, spans: Any, shape: list[int], code: int, below: Any) -> None:
    import grpc

    from lampion_server.grpc.schema import SERVICE, message

    request, response = message("ModelInferRequest")(model_name="iris"), message("ModelInferResponse")
    request.inputs.add(name="x", datatype="FP32", shape=shape).contents.fp32_contents.extend([1, 2, 3, 4])
    with grpc.insecure_channel(f"127.0.0.1:{traced[0].plane.grpc_port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/ModelInfer", type(request).SerializeToString, response.FromString)
        done = call.future(request, metadata=(("traceparent", PARENT), ("x-request-id", "b-8")))
        assert done.code().value[0] == code
        assert dict(done.trailing_metadata())["x-request-id"] == "b-8"
    found = spans()
    assert tree(found) == (f"{SERVICE}/ModelInfer", below)
    root = found[0]
    assert f"{root.context.trace_id:032x}" == CALLER_TRACE
    assert {name: root.attributes[name] for name in ("rpc.method", "rpc.grpc.status_code", "lampion.request_id")} == {
        "rpc.method": "ModelInfer",
        "rpc.grpc.status_code": code,
        "lampion.request_id": "b-8",
    }


def test_a_share(traced: Any) -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    traces = tracing.Traces(memory, share=0.0)
    with traces.request("one", {}, {}), tracing.part("a part"):
        pass
    with traces.request("other", {"traceparent": PARENT}, {}):
        pass
    traces.close()
    assert [span.name for span in memory.get_finished_spans()] == ["other"]


def test_off_imports_nothing(folder: Path) -> None:
    program = """
import sys
from lampion_server import DataPlane, Repository, Settings, build_app
build_app(DataPlane(Repository([sys.argv[1]], Settings(tune_seconds=0))))
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]  # FastAPI imports its interface itself
"""
    done = subprocess.run([sys.executable, "-c", program, folder / "iris.onnx"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(StartupError, match=r"expected the package opentelemetry\..*, which is not installed") as raised:
        exporter(Settings(traces="http://127.0.0.1:4318"))
    assert raised.value.hint == "pip install 'lampion[otel]'"
