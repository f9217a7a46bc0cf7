from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from lampion_server.exposition import apart
from lampion_server.metrics import Metrics

X = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 4], "data": [1, 2, 3, 4] * 2}]}


def scraped(server: Any) -> dict[tuple[str, str], float]:
    """Values by metric and model, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    return {
        (sample.name, sample.labels.get("model", "")): sample.value for family in families for sample in family.samples
    }


def test_tritons_names_tell_the_statistics(serve: Any, folder: Path) -> None:
    with serve(folder / "iris.onnx", triton_metrics=True) as server:
        for _ in range(3):
            assert server.client.post("/v2/models/iris/infer", json=X).status_code == 200
        bad = {"inputs": [X["inputs"][0] | {"datatype": "INT8"}]}
        assert server.client.post("/v2/models/iris/infer", json=bad).status_code == 400
        (stats,) = server.client.get("/v2/models/iris/stats").json()["model_stats"]
        values = scraped(server)
    assert values["nv_inference_count", "iris"] == stats["inference_count"] == 6
    assert values["nv_inference_exec_count", "iris"] == stats["execution_count"]
    assert values["nv_inference_request_success", "iris"] == 3
    assert values["nv_inference_request_failure", "iris"] == stats["inference_stats"]["fail"]["count"]
    assert values["nv_inference_queue_duration_us", "iris"] == stats["inference_stats"]["queue"]["ns"] / 1000


def test_the_state_of_the_models(serve: Any, folder: Path, build: Any, tmp_path: Path) -> None:
    build.iris(tmp_path / "iris.onnx")
    (tmp_path / "bad.onnx").write_text("no model")
    with serve(tmp_path) as server:
        values = scraped(server)
        assert (values["lampion_model_ready", "iris"], values["lampion_model_ready", "bad"]) == (1, 0)
        assert values["lampion_model_bytes", "iris"] == (tmp_path / "iris.onnx").stat().st_size
        assert not any(name.startswith("nv_") for name, _ in values)


def test_several_processes_are_told_apart() -> None:
    metrics = [Metrics(), Metrics()]
    for one, status in zip(metrics, (200, 503), strict=True):
        one.request("iris", status, 0.1)
    text = apart({"a": metrics[0].text(), "b": metrics[1].text()}, "replica").decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    totals = [sample for sample in families["lampion_requests"].samples if sample.name == "lampion_requests_total"]
    assert [(sample.labels["replica"], sample.labels["status"], sample.value) for sample in totals] == [
        ("a", "200", 1),
        ("b", "503", 1),
    ]
    assert families["lampion_request_seconds"].type == "histogram"
