"""One process that serves: models, planes and transports put together, and their orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from lampion_edge.heap import give_back
from lampion_server.app import build_app
from lampion_server.background import beside, under_way
from lampion_server.connections import Patience, guarded, idle, last_callers, speaking
from lampion_server.dataplane import DataPlane
from lampion_server.door import Connections, Crowd, Door
from lampion_server.listening import BACKLOG, forget
from lampion_server.logs import set_up
from lampion_server.metrics import Metrics
from lampion_server.proxies import Forwarded
from lampion_server.repository import Repository
from lampion_server.settings import Settings
from lampion_server.signals import caught, same_wish

log = logging.getLogger(__name__)

_FIRST_WORD = 0.5  # seconds that an open connection gets to send a request while the server ends
_LOOK = 0.01  # seconds between looks at whether the models are loaded
_MINUTE = 600  # ticks
_GARBAGE = 20_000, 10, 10  # objects after which cycles are looked for: 700, Python's own, are those of 10 requests
_CLOSE = (b"connection", b"close")
_MOST_FILES = 65536  # a connection is a file, and 1024, which is common, are soon taken by callers who do nothing
Started = Callable[[DataPlane], None]


def opened(settings: Settings) -> DataPlane:
    """The models of the settings, not loaded yet, behind a data plane. Raises `StartupError` for paths that hold none."""
    set_up(settings)
    metrics = Metrics()
    return DataPlane(Repository(settings.models, settings, metrics.batch, load=False), settings, metrics)


def serve(
    plane: DataPlane,
    listener: socket.socket,
    started: Started,
    prepare: Started | None = None,
    crowd: Crowd | None = None,
) -> bool:
    """Answers on the listener until SIGTERM or Ctrl-C, then finishes what is under way.

    It listens while `prepare`, which is to load the models, runs in a thread: live and not ready; then `started` hears.
    With a `crowd` it shares the listener with other processes.
    Whether it has left a model behind that is still being loaded, which would hold the process. Raises `StartupError` if a
    model that was named can't be loaded.
    """
    _allow_files()
    Server(plane, started, prepare, crowd).run([listener])
    return under_way()


class Server(uvicorn.Server):
    """uvicorn with our end: a signal makes `ready` say no, then the server answers what it accepted and stops.

    The exit code is then 0: an orderly end that was asked for is no failure. A second signal ends it at once; a worker
    leaves that to its supervisor, since whoever sends a signal to a group of processes reaches both.
    """

    def __init__(self, plane: DataPlane, started: Started, prepare: Started | None, crowd: Crowd | None = None) -> None:
        super().__init__(_config(plane.settings, build_app(plane)))
        self._crowd = crowd
        self._plane = plane
        self._tell = started
        self._prepare = prepare
        self._patience = Patience(plane.settings.request_timeout)
        self._told = 0.0  # when the first signal came

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen, loads, and says so."""
        if self._crowd is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            self.server_state.connections = Connections(self._crowd)
            self.servers: list[Any] = [Door(listener, BACKLOG, self._crowd, self._enter) for listener in sockets or []]
        if self.should_exit:
            return
        if self._prepare:
            try:
                await self._prepared(partial(self._prepare, self._plane))
            except BaseException:
                await self.shutdown(sockets)
                raise
        if not self.should_exit:
            gc.collect()
            gc.freeze()  # what is there now stays; looking through it again and again takes a tenth of a request's time
            gc.set_threshold(*_GARBAGE)
            self._tell(self._plane)

    async def _prepared(self, prepare: Callable[[], None]) -> None:
        """Waits for it in a thread of its own, and no longer when the end is asked for: nobody waits for these models."""
        done = beside(prepare)
        while not (done.done() or self.should_exit):
            await asyncio.sleep(_LOOK)
        if done.done():
            done.result()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second. Once the end has begun, every answer asks its caller to come back on a new connection."""
        ended = await super().on_tick(counter)
        if self._plane.draining and _CLOSE not in self.server_state.default_headers:
            self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        if counter % 10 == 0:
            self._patience.look(self.server_state.connections)
        self._plane.metrics.settle()
        if counter % _MINUTE == 0:
            asyncio.get_running_loop().run_in_executor(None, give_back)  # what large bodies and photos have left behind
        return ended

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes what already waits, closes the door, and hears out who has come in but not said anything yet.

        A caller that keeps its connection may be sending at this moment; its answer then closes the connection.
        """
        doors = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for caller in [caller for door in doors for caller in last_callers(door)]:
            await self._enter(caller)
        connections, began = self.server_state.connections, time.monotonic()
        while any(map(idle, connections)) and (waited := time.monotonic() - began) < 2 * _FIRST_WORD:
            if waited > _FIRST_WORD and not any(map(speaking, connections)):
                break
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)

    async def _enter(self, caller: socket.socket) -> None:
        """Speaks with a caller from now on."""
        await asyncio.get_running_loop().connect_accepted_socket(self._protocol, caller, ssl=self.config.ssl)

    def _protocol(self) -> Any:
        """What uvicorn makes of a connection."""
        state = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(**state)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes SIGTERM and SIGINT as a wish to end, and doesn't raise them again afterwards."""
        with caught(self.handle_exit):
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, after `drain_delay` for load balancers that have to notice; a second ends at once."""
        settings = self._plane.settings
        if self._plane.draining:
            if settings.workers == 1 and not same_wish(self._told):
                forget(settings)
                signal.signal(sig, signal.SIG_DFL)
                signal.raise_signal(sig)
            return
        self._plane.draining, self._told = True, time.monotonic()
        log.info("draining: %s", signal.Signals(sig).name)
        if settings.drain_delay and (loop := _running()):
            loop.call_soon_threadsafe(loop.call_later, settings.drain_delay, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self.should_exit = True


def _allow_files() -> None:
    """As many open files as this user may have, instead of as few as it has by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _config(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        Forwarded(app, settings.trusted_proxies),
        interface="asgi3",
        proxy_headers=False,
        log_config=None,
        log_level=max(logging.WARNING, logging.getLevelNamesMapping()[settings.log_level.upper()]),
        access_log=False,
        server_header=False,
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive,  # type: ignore[arg-type]  # a timer's seconds, whatever uvicorn says
        timeout_graceful_shutdown=settings.drain_timeout,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        ssl_keyfile_password=settings.tls_password or None,
        ssl_ca_certs=settings.tls_client_ca or None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_client_ca else ssl.CERT_NONE,
    )
    config.load()
    config.http_protocol_class = guarded(config.http_protocol_class)
    return config
