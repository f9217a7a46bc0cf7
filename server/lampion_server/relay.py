"""How the processes of one server agree: each asks all through the supervisor, and hears what all of them answer."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from lampion_server import errors
from lampion_server.errors import ServerError, UnavailableError, as_server_error

log = logging.getLogger(__name__)

_ALONE = "this process has lost its siblings, and ends"


@dataclass(frozen=True)
class Ready:
    """A worker serves: the names of its models, and gRPC's port if it has one."""

    names: list[str]
    grpc_port: int | None


@dataclass(frozen=True)
class Failed:
    """A worker can't start, and why."""

    reason: str
    hint: str | None


@dataclass(frozen=True)
class Asked:
    """A worker's question to all, itself included; the supervisor passes it on under a number of its own."""

    number: int
    question: Any


@dataclass(frozen=True)
class Answered:
    """What one worker answers, or, on the way back, the list of what all answered."""

    number: int
    reply: Any


@dataclass(frozen=True)
class Refusal:
    """A `ServerError` on its way between processes."""

    kind: str
    reason: str
    field: str | None
    hint: str | None

    @classmethod
    def of(cls, error: BaseException) -> Refusal:
        told = as_server_error(error)
        return cls(type(told).__name__, str(told), told.field, told.hint)

    def error(self) -> ServerError:
        kind = getattr(errors, self.kind)
        try:
            raised: ServerError = kind(self.reason, field=self.field, hint=self.hint)
        except TypeError:  # a class that wants more than this to be made
            raised = UnavailableError(self.reason, field=self.field, hint=self.hint)
        return raised


class Relay:
    """A worker's end: `ask` reaches all workers; what others ask is answered by `answer` in a thread."""

    def __init__(self, connection: Connection, answer: Callable[[Any], Any]) -> None:
        self._connection = connection
        self._answer = answer
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[list[Any]]] = {}
        self._sending = threading.Lock()

    def start(self) -> None:
        """Begins to listen, if only to notice that the supervisor is gone; then this process gets a SIGTERM."""
        threading.Thread(target=self._listen, name="lampion-relay", daemon=True).start()

    def send(self, message: Any) -> bool:
        """Tells the supervisor something; False if it is gone."""
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:
            return False
        return True

    async def ask(self, question: Any) -> list[Any]:
        """What each worker answers. Raises the first error that one of them answers with, `UnavailableError` if nobody can."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            if not self.send(Asked(number, question)):
                raise UnavailableError(_ALONE)
            replies = await future
        finally:
            del self._waiting[number]
        for reply in replies:
            if isinstance(reply, Refusal):
                raise reply.error()
        return replies

    def _listen(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):  # the supervisor is gone, and nobody would look after this process any more
                os.kill(os.getpid(), signal.SIGTERM)
                for number in list(self._waiting):
                    self._resolve(Answered(number, [Refusal.of(UnavailableError(_ALONE))]))
                return
            # Each question in a thread: a load takes seconds, and statistics must not wait for it.
            if isinstance(message, Asked):
                threading.Thread(target=self._reply, args=(message,), daemon=True).start()
            else:
                self._resolve(message)

    def _reply(self, asked: Asked) -> None:
        try:
            reply = self._answer(asked.question)
        except Exception as error:
            if as_server_error(error) is not error:
                log.exception("a question of another worker failed")
            reply = Refusal.of(error)
        self.send(Answered(asked.number, reply))

    def _resolve(self, message: Answered) -> None:
        if future := self._waiting.get(message.number):
            with suppress(RuntimeError):  # its loop has ended
                future.get_loop().call_soon_threadsafe(_settle, future, message.reply)


def _settle(future: asyncio.Future[list[Any]], reply: list[Any]) -> None:
    if not future.done():
        future.set_result(reply)
