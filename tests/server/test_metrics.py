"""What is counted together is what prometheus_client counts one by one."""

from __future__ import annotations

import random
import threading

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from lampion_server.metrics import SECONDS, Metrics

DRAW = random.Random(0)
EDGES = [*SECONDS, 0.0, 31.0, 1e9]


def samples(text: bytes, name: str) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(text.decode())
    found = (sample for family in families for sample in family.samples if sample.name.startswith(name))
    return {
        (sample.name, sample.labels.get("le", "")): sample.value for sample in found if "created" not in sample.name
    }


@pytest.mark.parametrize(
    "values", [[], EDGES, [DRAW.expovariate(50) for _ in range(1000)]], ids=["none", "edges", "many"]
)
def test_observations(values: list[float]) -> None:
    metrics, registry = Metrics(), CollectorRegistry()
    reference = Histogram("reference", "", buckets=SECONDS, registry=registry)
    for value in values:
        metrics.queued("a", value)
        reference.observe(value)
    got = samples(metrics.text(), "lampion_queue_seconds")
    want = {
        **{("lampion_queue_seconds_bucket", le): sum(value <= float(le) for value in values) for _, le in got if le},
        **(
            {("lampion_queue_seconds_count", ""): len(values), ("lampion_queue_seconds_sum", ""): sum(values)}
            if values
            else {}
        ),
    }
    assert got == pytest.approx(want)
    assert [sample.value for family in registry.collect() for sample in family.samples][: len(SECONDS) + 1] == [
        sum(value <= bound for value in values) for bound in (*SECONDS, float("inf"))
    ]


def test_requests_are_told_by_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 503):
        metrics.request("a", status, 0.1)
    assert b'lampion_requests_total{model="a",status="200"} 2.0' in metrics.text()
    metrics.request("a", 200, 0.1)
    text = metrics.text()
    assert b'lampion_requests_total{model="a",status="200"} 3.0' in text
    assert b'lampion_requests_total{model="a",status="503"} 1.0' in text
    assert b'lampion_request_seconds_count{model="a"} 4.0' in text


def test_nothing_is_lost_between_threads() -> None:
    """Each thread counts what waits when there is much of it, while the others go on."""
    metrics = Metrics()

    def work() -> None:
        for _ in range(5000):
            metrics.batch("a", 3, 0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.settle()
    text = metrics.text()
    assert b'lampion_batch_rows_count{model="a"} 20000.0' in text
    assert b'lampion_batch_rows_sum{model="a"} 60000.0' in text
