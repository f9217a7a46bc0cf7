"""What was counted, for people and for Prometheus."""

from __future__ import annotations

from lampion_edge.live.watching import Figures
from lampion_edge.terminal import milliseconds, table
from lampion_edge.web.metrics import Metric, counter, spread


def summary(figures: Figures, reopened: int) -> list[str]:
    """Lines for the end of a run."""
    counts = f"{figures.came} came, {figures.run} run, {figures.dropped} dropped for a newer one"
    lines = [f"frames: {counts}, {figures.failed} failed"]
    if reopened:
        lines.append(f"the camera went away {reopened} times")
    if not figures.run:
        return lines
    rows = (
        ("latency, from a frame to its labels", figures.latency, _ms),
        ("of it waiting for the model", figures.waited, _ms),
        ("of it the model", figures.ran, _ms),
        ("latency in times of the model's own", figures.behind, lambda value: f"{value:.2f}"),
    )
    cells = [[name, *(shown(v) for v in (h.quantile(0.5), h.quantile(0.99), h.most))] for name, h, shown in rows]
    lines.append(table([["", "p50", "p99", "most"], *cells], "<>>>"))
    return lines


def metrics(figures: Figures, reopened: int) -> list[Metric]:
    """The same for GET /metrics."""
    return [
        counter("lampion_frames_total", "Frames that the camera gave", figures.came),
        counter("lampion_frames_run_total", "Frames that the model looked at", figures.run),
        counter("lampion_frames_dropped_total", "Frames left out for a newer one", figures.dropped),
        counter("lampion_frames_failed_total", "Frames that could not be read", figures.failed),
        counter("lampion_camera_reopened_total", "How often the camera went away and was opened again", reopened),
        spread("lampion_frame_latency_seconds", "From a frame to its labels", figures.latency),
        spread("lampion_frame_wait_seconds", "From a frame to the beginning of its run", figures.waited),
        spread("lampion_compute_seconds", "Decoding and running a frame", figures.ran),
    ]


def _ms(seconds: float) -> str:
    return milliseconds(1000 * seconds)
