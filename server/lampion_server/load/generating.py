"""A load generator: requests that are ready as bytes, sent over many connections, and how long each took."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import selectors
import ssl
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from lampion_edge.errors import ServiceError
from lampion_server.load.connection import Connection

_TICK = 0.1  # seconds between looks at the clock for progress and for requests that take too long
_PAUSE = 0.1  # seconds before a lost connection is opened again
_WORDS = 200  # characters of a refusal that are kept


@dataclass(frozen=True)
class Load:
    """What to send and how: `requests` in turn, over `connections`, for `seconds` after `warm_up` seconds that don't count.

    Without a `rate` each connection asks again as soon as it has its answer (a closed loop: the server sets the pace). With
    one, so many requests a second are sent whether the server keeps up or not (an open loop, as callers are), at equal
    distances or, if `poisson`, at random ones; latency counts from the moment a request was due, so that the time it had
    to wait for a free connection is not left out. A request without an answer for `timeout` seconds has failed.
    """

    requests: Sequence[bytes]
    connections: int
    seconds: float
    rate: float | None = None
    poisson: bool = False
    warm_up: float = 0.0
    timeout: float = 30.0


@dataclass
class Taken:
    """What came out: seconds of each good answer, the number of answers by status (or by what went wrong instead), and
    the first words of each kind of failure. `late` are the seconds by which the generator itself was behind its plan,
    `busy` is its share of a processor core."""

    load: Load
    elapsed: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    outcomes: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)
    late: array[float] = field(default_factory=lambda: array("d"))
    busy: float = 0.0

    @property
    def throughput(self) -> float:
        """Good answers per second."""
        return len(self.latencies) / self.elapsed if self.elapsed else 0.0


Progress = Callable[[float, Taken], None]


def run(
    server: SplitResult, load: Load, *, context: ssl.SSLContext | None = None, progress: Progress | None = None
) -> tuple[Taken, bool]:
    """What the load met with, and whether it went to its end: Ctrl-C ends it early. Raises ServiceError if no one is there."""
    generator = _Generator(server, load, context, progress or (lambda share, taken: None))
    # select() takes microseconds where epoll rounds a wait up to the next millisecond, which an open loop would notice.
    selector = selectors.SelectSelector if load.rate else selectors.DefaultSelector
    try:
        with _punctual(), asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector())) as runner:
            runner.run(generator.run())
    except KeyboardInterrupt:
        return generator.taken, False
    return generator.taken, True


@contextmanager
def _punctual() -> Iterator[None]:
    """Hardly any search for garbage inside the block: it would keep requests waiting that are due, and finds next to none."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class _Generator:
    def __init__(self, server: SplitResult, load: Load, context: ssl.SSLContext | None, progress: Progress) -> None:
        self.taken = Taken(load)
        self._server = server
        self._load = load
        self._context = context
        self._progress = progress
        self._running = True
        self._sent = 0
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._waiting: deque[float] = deque()  # due, and no connection free
        self._reopening: set[asyncio.Task[None]] = set()
        self._random = random.Random(0)

    async def run(self) -> None:
        """Sends for as long as the load says, then waits for what is under way."""
        self._loop = asyncio.get_running_loop()
        await self._open_all()
        self._from = time.monotonic() + self._load.warm_up
        self._to = self._from + self._load.seconds
        used = time.process_time()
        try:
            self._begin()
            await self._until(lambda: time.monotonic() >= self._to)
            self._running = False
            await self._until(lambda: self._load.rate is None or not self._under_way())
        finally:
            self._running = False
            self.taken.elapsed = max(0.0, min(time.monotonic(), self._to) - self._from)
            self.taken.busy = (time.process_time() - used) / max(
                1e-9, time.monotonic() - self._from + self._load.warm_up
            )
            for connection in list(self._connections):
                connection.drop()
            for task in self._reopening:
                task.cancel()

    def _begin(self) -> None:
        if self._load.rate is not None:
            self._next_due = time.monotonic()
            self._fire()
            return
        for connection in self._idle:
            self._send(connection, time.monotonic())
        self._idle.clear()

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            now = time.monotonic()
            self._progress(min(1.0, (now - self._from) / self._load.seconds), self.taken)
            self._give_up_on_the_late(now - self._load.timeout)
            await asyncio.sleep(max(0.001, min(_TICK, self._to - now)) if self._running else 0.01)

    def _under_way(self) -> bool:
        return bool(self._waiting) or any(connection.due is not None for connection in self._connections)

    def _give_up_on_the_late(self, limit: float) -> None:
        for connection in list(self._connections):
            if connection.due is not None and connection.due < limit:
                self._failed(connection.due, "timeout", f"no answer within {self._load.timeout:g} s")
                connection.due = None
                connection.drop()
        while self._waiting and self._waiting[0] < limit:
            self._failed(self._waiting.popleft(), "timeout", f"no answer within {self._load.timeout:g} s")

    # --- sending ---

    def _send(self, connection: Connection, due: float) -> None:
        requests = self._load.requests
        connection.send(requests[self._sent % len(requests)], due)
        self._sent += 1

    def _fire(self) -> None:
        """Sends what is due, and comes back when the next one is."""
        assert self._load.rate is not None
        now = time.monotonic()
        while self._next_due <= now:
            if self._next_due >= self._to:
                return
            if self._idle:
                self.taken.late.append(now - self._next_due)
                self._send(self._idle.pop(), self._next_due)
            else:
                self._waiting.append(self._next_due)
            gap = 1 / self._load.rate
            self._next_due += self._random.expovariate(1 / gap) if self._load.poisson else gap
        self._loop.call_at(self._next_due, self._fire)

    def _free(self, connection: Connection) -> None:
        """A connection that may be asked again."""
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        elif self._load.rate is not None:
            self._idle.append(connection)
        elif self._running:
            self._send(connection, time.monotonic())

    # --- what came of it ---

    def _answered(self, connection: Connection, due: float, status: int, body: bytes) -> None:
        now = time.monotonic()
        if status < 400:
            if self._counts(due, now):
                self.taken.latencies.append(now - due)
                self.taken.outcomes[str(status)] += 1
        else:
            self._failed(due, str(status), body)
        if connection.usable:
            self._free(connection)

    def _failed(self, due: float, kind: str, words: bytes | str) -> None:
        if self._counts(due, time.monotonic()):
            self.taken.outcomes[kind] += 1
            self.taken.words.setdefault(kind, sentence(words))

    def _counts(self, due: float, now: float) -> bool:
        """A closed loop counts what is answered in its time, an open one what was due in it, however late the answer."""
        return self._from <= (now if self._load.rate is None else due) < self._to

    # --- connections ---

    async def _open_all(self) -> None:
        try:
            await asyncio.gather(*(self._open() for _ in range(self._load.connections)))
        except OSError as error:
            hint = "is the server running, and is this its address?"
            raise ServiceError(f"{self._server.geturl()}: no answer: {error}", hint=hint) from None

    async def _open(self) -> None:
        def made() -> Connection:
            return Connection(self._answered, self._lost)

        server, loop = self._server, self._loop
        if server.scheme == "unix":
            _, connection = await loop.create_unix_connection(made, server.path)
        else:
            context = (self._context or ssl.create_default_context()) if server.scheme == "https" else None
            port = server.port or (443 if context else 80)
            _, connection = await loop.create_connection(made, server.hostname or "", port, ssl=context)
        self._connections.add(connection)
        self._idle.append(connection)

    def _lost(self, connection: Connection, why: str) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.due is not None:
            self._failed(connection.due, "connection", why)
        if self._running:
            task = self._loop.create_task(self._reopen())
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

    async def _reopen(self) -> None:
        while self._running:
            try:
                await self._open()
            except OSError as error:
                self._failed(time.monotonic(), "connection", str(error))
                await asyncio.sleep(_PAUSE)
            else:
                self._free(self._idle.pop())
                break


def sentence(words: bytes | str) -> str:
    """What a refusal says: its JSON's `error` where it has one, else its beginning."""
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    try:
        return str(json.loads(text)["error"])[:_WORDS]
    except (ValueError, KeyError, TypeError):
        return text[:_WORDS]
