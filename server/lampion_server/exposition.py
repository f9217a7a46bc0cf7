"""What /metrics says besides the counters: the state of the models, and Triton's names for Triton's dashboards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, UnknownMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from lampion_server.model import Entry

_LABELS = ("model", "version")
# Triton's counters, by docs/user_guide/metrics.md of triton-inference-server/server; they don't end with _total.
# Name, text, stage of the statistics, field.
_STAGES = (
    ("nv_inference_request_success", "Requests answered", "success", "count"),
    ("nv_inference_request_failure", "Requests that failed", "fail", "count"),
    ("nv_inference_request_duration_us", "Microseconds of requests, from arrival to answer", "success", "ns"),
    ("nv_inference_queue_duration_us", "Microseconds in the queue", "queue", "ns"),
    ("nv_inference_compute_input_duration_us", "Microseconds for preparing inputs", "compute_input", "ns"),
    ("nv_inference_compute_infer_duration_us", "Microseconds of computation", "compute_infer", "ns"),
    ("nv_inference_compute_output_duration_us", "Microseconds for preparing outputs", "compute_output", "ns"),
)
_COUNTS = (
    ("nv_inference_count", "Rows computed", "inference_count"),
    ("nv_inference_exec_count", "Batches computed", "execution_count"),
)


def model_states(entries: Iterable[Entry]) -> bytes:
    """Whether each version serves (1) or not (0), why not, and the bytes of those that do, in Prometheus' text format."""
    entries = list(entries)
    ready = GaugeMetricFamily(
        "lampion_model_ready", "Whether this version serves; the index says why not", labels=_LABELS
    )
    size = GaugeMetricFamily("lampion_model_bytes", "Size of the files of a version that serves", labels=_LABELS)
    text = "Why a version, or its newest file, isn't served"
    problem = GaugeMetricFamily("lampion_model_problem", text, labels=(*_LABELS, "reason"))
    for entry in entries:
        ready.add_metric([entry.name, entry.version], float(entry.model is not None))
        if entry.reason:
            problem.add_metric([entry.name, entry.version, entry.reason], 1.0)
        if entry.model:
            size.add_metric([entry.name, entry.version], entry.model.size)
    return _text([ready, size, problem])


def apart(texts: Mapping[str, bytes], label: str) -> bytes:
    """What several processes tell in Prometheus' text format as one text, whose series say in `label` whose they are.

    They aren't added up: of a sum from which a process drops out, Prometheus would take the rest for new.
    """
    families: dict[str, Metric] = {}
    for name, text in texts.items():
        for family in text_string_to_metric_families(text.decode()):
            together = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            together.samples += [sample._replace(labels=sample.labels | {label: name}) for sample in family.samples]
    return _text(list(families.values()))


def triton(stats: Sequence[Mapping[str, Any]]) -> bytes:
    """The protocol's statistics under Triton's names, in Prometheus' text format."""
    families = [_family(name, text, stats, _stage(stage, field)) for name, text, stage, field in _STAGES]
    families += [_family(name, text, stats, lambda entry, key=key: entry[key]) for name, text, key in _COUNTS]
    return _text(families)


def _stage(stage: str, field: str) -> Any:
    divisor = 1000 if field == "ns" else 1
    return lambda entry: entry["inference_stats"][stage][field] / divisor


def _family(name: str, text: str, stats: Sequence[Mapping[str, Any]], value: Any) -> Metric:
    family = UnknownMetricFamily(name, text, labels=_LABELS)
    for entry in stats:
        family.add_metric([entry["name"], entry["version"]], value(entry))
    return family


class _Once:
    """A collector of families that are already there."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _text(families: Sequence[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Once(families))
    return generate_latest(registry)
