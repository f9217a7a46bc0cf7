"""What the scenes have in common: small models, the questions to them, and a row of the table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from server.callers import Client, Tally, percentile
from server.conftest import digits, iris

from serve_load.traffic import numbers, photo

RATE = 200.0  # requests a second
Row = tuple[str, str, str, str]


def models(folder: Path, version: int = 1) -> Path:
    """A version of the models that `either` asks."""
    iris(folder / f"iris/{version}/model.onnx", scale=version)
    digits(folder / f"digits/{version}/model.onnx")
    return folder


async def either(client: Client, number: int) -> str:
    """Numbers, and each fourth time a photo."""
    return await (numbers(client, number) if number % 4 else photo(client, number // 4))


def row(name: str, wanted: str, held: bool, outcomes: Counter[str], figures: str) -> Row:
    """What must hold and whether it does; how many answers were right, and what else there was."""
    right = outcomes["right"]
    counts = [f"{count:,} {what}" for what, count in outcomes.items() if what != "right"]
    return name, wanted, "yes" if held and right else "no", f"{', '.join([f'{right:,} right', *counts])}; {figures}"


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
