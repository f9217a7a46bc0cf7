"""What the scenes have in common: a small model, the question to it, and a row of the table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from server.callers import Tally, percentile
from server.conftest import iris

from serve_load.traffic import numbers

RATE = 200.0  # requests a second
Row = tuple[str, str, str, str]

__all__ = ["RATE", "Row", "latencies", "model", "numbers", "row", "until"]


def model(folder: Path, version: int = 1) -> Path:
    """A version of the model that `numbers` asks."""
    iris(folder / f"iris/{version}/model.onnx", scale=version)
    return folder


def row(name: str, outcomes: Counter[str], figures: str) -> Row:
    """How many answers were right, and what else there was."""
    other = ", ".join(f"{count:,} {what}" for what, count in outcomes.items() if what != "right")
    return name, f"{outcomes['right']:,} right", other or "nothing", figures


def latencies(tally: Tally, since: float = 0.0, until: float = float("inf")) -> str:
    """Of the right answers to requests that were due in that time."""
    right = tally.seconds("right", since, until)
    return f"p50 {1000 * percentile(right, 50):.1f} ms, p99 {1000 * percentile(right, 99):.1f} ms"


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits, but not for ever."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"nothing for {seconds:g} s")
        time.sleep(0.01)
