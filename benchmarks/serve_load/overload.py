"""Five times as many requests as can be answered: what gets through, how soon the rest hears no, what memory does."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from server.callers import Client, calling, percentile
from server.conftest import spin
from server.processes import running

from serve_load.processes import resident, workers
from serve_load.scene import Row, row

TURNS = 20_000.0
DEADLINE = 1.0  # seconds that each caller gives
SECONDS = 12.0
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [TURNS]}]}).encode()
INFER = "/v2/models/spin/infer"


async def ask(client: Client, number: int) -> str:
    answer = await client.post(INFER, BODY, f"X-Request-Timeout: {DEADLINE}\r\n")
    if answer.status == 200:
        return "right" if json.loads(answer.body)["outputs"][0]["data"] == [TURNS] else "wrong"
    if answer.status == 503:
        refusals.append(float(answer.headers["server-timing"].rpartition("dur=")[2]))
        return "refused with Retry-After" if int(answer.headers["retry-after"]) >= 1 else "503 without Retry-After"
    return str(answer.status)


refusals: list[float] = []  # the server's own milliseconds for each


def overrun(folder: Path) -> list[Row]:
    spin(folder / "spin.onnx")
    settings = ("--port", 0, "--max-batch", 1, "--instances", 1, "--threads", 1, "--log-level", "error")
    with running(folder, *settings) as (process, url):
        (worker,) = workers(process.pid)
        capacity = asyncio.run(closed(url))
        before = resident(worker)
        with calling(url, ask, 5 * capacity) as tally:
            time.sleep(SECONDS)
        after, again = resident(worker), asyncio.run(closed(url))
    warm = tally.seconds("right", 2.0, SECONDS)
    goodput = len(warm) / (SECONDS - 2.0)
    fair = (capacity + again) / 2
    late = sum(took > DEADLINE + 0.05 for took in warm)
    refusals.sort()
    figures = (
        f"capacity {capacity:.1f} a second before, {again:.1f} after; goodput {goodput:.1f} ({100 * goodput / fair:.0f} %); "
        f"answers p99 {percentile(warm, 99):.2f} s of {DEADLINE:g} s allowed, {late} late; the server's time for a refusal "
        f"p50 {percentile(refusals, 50):.2f} ms, p99 {percentile(refusals, 99):.2f} ms; memory {before:.0f} to {after:.0f} MB"
    )
    return [row("five times the capacity", tally.outcomes, figures)]


async def closed(url: str, seconds: float = 4.0, callers: int = 4) -> float:
    """Answers a second of callers who each wait for theirs before they ask again."""
    client, done, end = Client(url), 0, time.monotonic() + seconds

    async def one() -> None:
        nonlocal done
        while time.monotonic() < end:
            assert (await client.post(INFER, BODY)).status == 200
            done += 1

    started = time.monotonic()
    await asyncio.gather(*(one() for _ in range(callers)))
    rate = done / (time.monotonic() - started)
    await client.close()
    return rate
