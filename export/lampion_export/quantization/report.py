"""What quantization did, told in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from lampion_edge import Card, Session
from lampion_edge.terminal import megabytes, table
from lampion_export.quantization.scheme import Batch

CALLS = 15


@dataclass(frozen=True)
class Quantized:
    """What `quantize` wrote, and each measure before and after: bytes, ms of one call, and the score by `metric`.

    `left` names the layers that went back to float. Without samples to judge on, there are no ms and scores.
    """

    path: Path
    card: Card
    size: tuple[int, int]
    latency: tuple[float, float] | None
    metric: str
    score: tuple[float, float] | None
    bound: float
    left: tuple[str, ...]

    def __str__(self) -> str:
        rows = [("", "before", "after", ""), ("size", *map(megabytes, self.size), f"{self.size[1] / self.size[0]:.0%}")]
        if self.latency:
            ratio = f"{self.latency[0] / self.latency[1]:.2f} times as fast"
            rows.append(("latency", *(f"{ms:.2f} ms" for ms in self.latency), ratio))
        if self.score:
            rows.append((self.metric, *(f"{score:.4f}" for score in self.score), f"may lose {self.bound:g}"))
        else:
            rows.append(("accuracy", "?", "?", "not measured: there were no samples"))
        left = ", ".join(self.left) or "none"
        return f"{table(rows, '<>><')}\nlayers left in float: {left}\nwrote {self.path}"


def interleaved(before: Session, after: Session, sample: Batch) -> tuple[float, float]:
    """The median ms of one call of each; the calls take turns, so that what else the machine does falls on both."""
    times: list[tuple[float, float]] = []
    for _ in range(CALLS):
        start = perf_counter()
        before.run(sample)
        middle = perf_counter()
        after.run(sample)
        times.append((middle - start, perf_counter() - middle))
    first, second = np.median(times, axis=0) * 1000
    return float(first), float(second)
