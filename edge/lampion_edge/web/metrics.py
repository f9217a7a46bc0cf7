"""Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lampion_edge import board
from lampion_edge.bench_worker import resident
from lampion_edge.histogram import Histogram
from lampion_edge.web.messages import Answer

KIND = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Metric:
    """One name with its values by labels: numbers, or histograms."""

    name: str
    kind: str
    help: str
    values: Mapping[tuple[tuple[str, str], ...], float | Histogram]


def counter(name: str, help: str, value: float, **labels: str) -> Metric:
    """A number that only grows; its name ends with _total."""
    return Metric(name, "counter", help, {tuple(labels.items()): value})


def gauge(name: str, help: str, value: float, **labels: str) -> Metric:
    """A number that goes up and down."""
    return Metric(name, "gauge", help, {tuple(labels.items()): value})


def spread(name: str, help: str, value: Histogram, **labels: str) -> Metric:
    """A histogram."""
    return Metric(name, "histogram", help, {tuple(labels.items()): value})


def of_the_machine() -> list[Metric]:
    """Memory of this process, and the board's temperature where it has one."""
    degrees = board.temperature()
    found = [] if degrees is None else [gauge("lampion_board_celsius", "Temperature of the processor", degrees)]
    return [*found, gauge("process_resident_memory_bytes", "Memory of this process", resident() or 0)]


def answer(metrics: Iterable[Metric]) -> Answer:
    """All of them, as GET /metrics tells them."""
    return Answer("".join(_text(metric) for metric in metrics).encode(), KIND)


def _text(metric: Metric) -> str:
    lines = [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
    for labels, value in metric.values.items():
        if isinstance(value, Histogram):
            for bound, count in value.buckets():
                lines.append(_line(f"{metric.name}_bucket", (*labels, ("le", f"{bound:.4g}")), count))
            lines.append(_line(f"{metric.name}_bucket", (*labels, ("le", "+Inf")), value.count))
            lines.append(_line(f"{metric.name}_sum", labels, value.sum))
            lines.append(_line(f"{metric.name}_count", labels, value.count))
        else:
            lines.append(_line(metric.name, labels, value))
    return "\n".join(lines) + "\n"


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    escaped = ((key, text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for key, text in labels)
    inside = ",".join(f'{key}="{text}"' for key, text in escaped)
    return f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}"
