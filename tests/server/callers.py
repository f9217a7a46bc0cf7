"""Callers at a steady rate, whatever the server does, and what became of each of their requests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

KEPT = 10.0  # seconds after which a connection is not used again, lest the server close it at that moment
IDLE = 20  # connections kept at the most, as httpx has it; the older ones would be idle until the server closes them
MOST = 500  # requests under way; more would test the callers


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """HTTP/1.1 over kept connections: next to nothing, since it shares the cores with the server that it tests."""

    def __init__(self, url: str, *, keep: bool = True) -> None:
        self.host, self.port = urlsplit(url).hostname, urlsplit(url).port
        self.keep = keep
        self.free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []  # and since when

    async def post(self, path: str, body: bytes, headers: str = "") -> Answer:
        return await self.send(f"POST {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {len(body)}\r\n\r\n", body)

    async def send(self, head: str, body: bytes = b"") -> Answer:
        """Raises `OSError`, and `asyncio.IncompleteReadError` if the server hangs up before the answer is whole."""
        reader, writer = self._kept() or await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(head.encode() + body)
            answer = await self._read(reader)
        except BaseException:
            writer.close()
            raise
        if self.keep and len(self.free) < IDLE and answer.headers.get("connection") != "close":
            self.free.append((reader, writer, time.monotonic()))
        else:
            writer.close()
        return answer

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection that the server has not closed meanwhile."""
        while self.free:
            reader, writer, since = self.free.pop()
            if time.monotonic() - since < KEPT and not reader.at_eof() and reader.exception() is None:
                return reader, writer
            writer.close()
        return None

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(first[9:12]), headers, await reader.readexactly(int(headers["content-length"])))

    async def close(self) -> None:
        for _, writer, _ in self.free:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


# Asks once, the n-th time, and says what became of it; what `Client` raises is named by `named`.
Ask = Callable[[Client, int], Awaitable[str]]


@dataclass
class Tally:
    """How often what happened, and for each request when it was due (from the first) and how long after that it ended."""

    outcomes: Counter[str] = field(default_factory=Counter)
    times: list[tuple[str, float, float]] = field(default_factory=list)

    def note(self, outcome: str, due: float, seconds: float) -> None:
        self.outcomes[outcome] += 1
        self.times.append((outcome, due, seconds))

    def seconds(self, outcome: str, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """How long the requests with this outcome took, sorted, of those that were due in that time."""
        return sorted(took for what, due, took in self.times if what == outcome and since <= due < until)


@contextmanager
def calling(url: str, ask: Ask, rate: float, *, keep: bool = True) -> Iterator[Tally]:
    """Asks `rate` times a second for as long as the block lasts, then waits for all answers."""
    tally, over = Tally(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_call(Client(url, keep=keep), ask, rate, tally, over)))
    thread.start()
    try:
        yield tally
    finally:
        over.set()
        thread.join()


async def _call(client: Client, ask: Ask, rate: float, tally: Tally, over: threading.Event) -> None:
    started, number, tasks = time.monotonic(), 0, set[asyncio.Task[None]]()
    while not over.is_set():
        while number <= (time.monotonic() - started) * rate and len(tasks) < MOST:
            task = asyncio.create_task(_once(client, ask, number, tally, started, number / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        next_due = number / rate - (time.monotonic() - started)
        await asyncio.sleep(0.01 if len(tasks) >= MOST else min(0.05, max(0.0, next_due)))
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    await client.close()


async def _once(client: Client, ask: Ask, number: int, tally: Tally, started: float, due: float) -> None:
    try:
        outcome = await ask(client, number)
    except (OSError, asyncio.IncompleteReadError) as error:
        outcome = named(error)
    tally.note(outcome, due, time.monotonic() - started - due)


def named(error: Exception) -> str:
    """`refused` if nobody listened, else `lost`."""
    return "refused" if isinstance(error, ConnectionRefusedError) else "lost"


def percentile(values: list[float], percent: float) -> float:
    """Of sorted values; nan of none."""
    return values[min(len(values) - 1, int(len(values) * percent / 100))] if values else float("nan")
