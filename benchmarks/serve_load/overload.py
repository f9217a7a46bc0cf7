"""Five times as many requests as can be answered: what gets through, how soon the rest hears no, what memory does."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from server.callers import Answer, Client, calling, percentile
from server.conftest import digits, spin
from server.processes import running

from serve_load.photos import PHOTO, PREDICT
from serve_load.processes import resident, workers
from serve_load.scene import Row, row

TURNS = 20_000.0
DEADLINE = 1.0  # seconds that each caller gives
ROUNDS, SECONDS = 4, 6.0  # of overload, each between two looks at the capacity
WARM = 1.0  # seconds of a round in which the queue fills
TENSOR = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [TURNS]}]}).encode()
SETTINGS = ("--port", 0, "--log-level", "error")
WANTED = "goodput within 10 % of capacity, no accepted one late, a refusal within a millisecond, flat memory"
FLAT = 5  # megabytes between the first round and the last


@dataclass(frozen=True)
class Question:
    """What is asked, and what must be in the answer."""

    path: str
    body: bytes
    answer: bytes

    async def ask(self, client: Client, headers: str = "") -> Answer:
        return await client.post(self.path, self.body, headers)


@dataclass
class Flood:
    """What became of all that was asked, and the server's and the callers' milliseconds for each refusal."""

    question: Question
    outcomes: Counter[str] = field(default_factory=Counter)
    inside: list[float] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)

    async def __call__(self, client: Client, number: int) -> str:
        started = time.monotonic()
        answer = await self.question.ask(client, f"X-Request-Timeout: {DEADLINE}\r\n")
        if answer.status == 503:
            self.inside.append(float(answer.headers["server-timing"].rpartition("dur=")[2]))
            self.outside.append(1000 * (time.monotonic() - started))
            return "refused with Retry-After" if int(answer.headers["retry-after"]) >= 1 else "503 without Retry-After"
        if answer.status == 200:
            return "right" if self.question.answer in answer.body else "wrong"
        return "accepted, then late (504)" if answer.status == 504 else str(answer.status)


def overrun(folder: Path) -> list[Row]:
    """Tensors, where computing is what takes time, and photos, where decoding is."""
    spin(folder / "spin.onnx")
    digits(folder / "photos.onnx")
    one = ("--max-batch", 1, "--instances", 1, "--threads", 1)
    tensor = Question("/v2/models/spin/infer", TENSOR, b'"data":[20000.0]')
    photo = Question(PREDICT, PHOTO, b'"light"')
    return [
        flooded("five times the capacity, tensors", folder / "spin.onnx", tensor, one),
        flooded("five times the capacity, photos", folder / "photos.onnx", photo, ()),
    ]


def flooded(name: str, model: Path, question: Question, settings: tuple[object, ...]) -> Row:
    """Rounds of overload between looks at the capacity, so that a machine that changes meanwhile is seen."""
    flood, ratios, waits = Flood(question), list[float](), list[float]()
    with running(model, *SETTINGS, *settings) as (process, url):
        (worker,) = workers(process.pid)
        asyncio.run(closed(url, question.ask))  # warm
        capacities, memory = [asyncio.run(closed(url, question.ask))], [resident(worker)]
        for _ in range(ROUNDS):
            with calling(url, flood, 5 * capacities[-1]) as tally:
                time.sleep(SECONDS)
            capacities.append(asyncio.run(closed(url, question.ask)))
            memory.append(resident(worker))
            ended = sum(what == "right" and WARM <= due + took < SECONDS for what, due, took in tally.times)
            ratios.append(ended / (SECONDS - WARM) / ((capacities[-2] + capacities[-1]) / 2))
            waits += tally.seconds("right", WARM)
            flood.outcomes += tally.outcomes
    for values in (ratios, waits, flood.inside, flood.outside):
        values.sort()
    figures = (
        f"capacity {min(capacities):.1f} to {max(capacities):.1f} a second, goodput {spread(ratios)} of it; "
        f"answers p50 {percentile(waits, 50):.2f} s, p99 {percentile(waits, 99):.2f} s of {DEADLINE:g} s allowed; "
        f"a refusal takes the server {tails(flood.inside)}, its caller waits {tails(flood.outside)}; "
        f"memory {memory[0]:.0f} MB, after each round {', '.join(f'{held:.0f}' for held in memory[1:])}"
    )
    held = (
        percentile(ratios, 50) >= 0.9
        and set(flood.outcomes) == {"right", "refused with Retry-After"}
        and percentile(flood.inside, 99) <= 1
        and memory[-1] - memory[1] < FLAT
    )
    return row(name, WANTED, held, flood.outcomes, figures)


def spread(ratios: list[float]) -> str:
    """The median of sorted shares, and between what they lie."""
    return f"{100 * percentile(ratios, 50):.0f} % ({100 * ratios[0]:.0f} to {100 * ratios[-1]:.0f})"


def tails(milliseconds: list[float]) -> str:
    return f"p50 {percentile(milliseconds, 50):.2f} ms, p99 {percentile(milliseconds, 99):.2f} ms"


async def closed(url: str, ask: Callable[[Client], Awaitable[Answer]], seconds: float = 3.0, callers: int = 4) -> float:
    """Answers a second of callers who each wait for theirs before they ask again."""
    client, done, end = Client(url), 0, time.monotonic() + seconds

    async def one() -> None:
        nonlocal done
        while time.monotonic() < end:
            assert (await ask(client)).status == 200
            done += 1

    started = time.monotonic()
    await asyncio.gather(*(one() for _ in range(callers)))
    rate = done / (time.monotonic() - started)
    await client.close()
    return rate
