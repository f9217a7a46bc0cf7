"""One replica: a data plane and its application, in agreement with the other replicas."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lampion_server.app import build_app
from lampion_server.dataplane import Question
from lampion_server.errors import ServerError, StartupError
from lampion_server.exposition import apart
from lampion_server.orders import Order
from lampion_server.relay import Failed, Refusal
from lampion_server.serving import opened
from lampion_server.settings import Settings

log = logging.getLogger(__name__)

# Calls a method of all replicas with these arguments, and gives what each answers.
Broadcast = Callable[..., Awaitable[list[Any]]]


class Replica:
    """What Ray Serve starts on each of its processes: it loads the models, then answers, and does what all are ordered.

    `ledger` is a handle of the `Ledger`; `connect` gives, once the replica runs, its own name and the way to all others.
    """

    def __init__(self, settings: Settings, ledger: Any, connect: Callable[[], tuple[str, Broadcast]]) -> None:
        self._ledger = ledger
        self._name, self._broadcast = connect()
        self._done: set[int] = set()
        try:
            self._plane = opened(settings)
            self._plane.repository.load_all()
        except StartupError as error:
            ledger.fail.remote(Failed(str(error), error.hint))
            raise
        self._plane.ask_all = self._ask_all
        self._plane.metrics_text = self._all_metrics

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return _without_id(build_app(self._plane))

    async def check_health(self) -> None:
        """Ray asks every few seconds: the moment to do what was ordered while this replica started."""
        for number, order in await self._ledger.missed.remote(self._done):
            await self.carry_out(number, order)

    def names(self) -> list[str]:
        """The models that are served."""
        return self._plane.repository.names()

    # --- what one replica asks of all ---

    async def carry_out(self, number: int, order: Order) -> Refusal | None:
        """An order that reaches all."""
        if number in self._done:
            return None
        self._done.add(number)
        return await self.reply(order)

    async def reply(self, question: Question) -> Any:
        """What this replica answers to a question that reached all."""
        try:
            return await asyncio.to_thread(self._plane.reply, question)
        except ServerError as error:
            return Refusal.of(error)
        except Exception as error:
            log.exception("a question of another replica failed")
            return Refusal.of(error)

    async def metrics(self) -> tuple[str, bytes]:
        """The replica's name, and its numbers."""
        return self._name, self._plane.metrics.text()

    async def _ask_all(self, question: Question) -> list[Any]:
        if not isinstance(question, Order):
            return _unless_refused(await self._broadcast("reply", question))
        number = await self._ledger.number.remote()
        replies = _unless_refused(await self._broadcast("carry_out", number, question))
        await self._ledger.keep.remote(number, question)
        return replies

    async def _all_metrics(self) -> bytes:
        return apart(dict(await self._broadcast("metrics")), "replica")


def _unless_refused(replies: list[Any]) -> list[Any]:
    """What all answered. Raises the first refusal, and whatever else went wrong."""
    for reply in replies:
        if isinstance(reply, Refusal):
            raise reply.error()
    return replies


def _without_id(app: ASGIApp) -> ASGIApp:
    """Ray's proxy returns the request's id itself, as it came in or as it made it; twice is once too often."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
            await send(message)

        await app(scope, receive, sent)

    return wrapped
