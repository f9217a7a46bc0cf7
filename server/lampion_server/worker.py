"""A worker process: what `serving` does, told by the supervisor and in agreement with its siblings."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from lampion_server.common_folder import joined
from lampion_server.dataplane import DataPlane
from lampion_server.door import Crowd
from lampion_server.errors import ServerError, StartupError
from lampion_server.orders import Order, StandingQuestion
from lampion_server.relay import Failed, Ready, Relay
from lampion_server.serving import opened, serve
from lampion_server.settings import Settings
from lampion_server.signals import leave, let_in

log = logging.getLogger(__name__)


def main(
    settings: Settings,
    listener: socket.socket,
    crowd: Crowd,
    connection: Connection,
    orders: Sequence[Order],
    first: bool,
) -> None:
    """Serves until SIGTERM; does what its siblings were ordered before it was there.

    Unless it is among the `first`, it listens only when it has loaded: connections must go to those who can answer.
    """
    os.setpgrp()  # Ctrl-C reaches a whole group of processes; the supervisor alone decides what it means
    let_in()
    try:
        with joined():
            plane = opened(settings)
            relay = Relay(connection, plane.reply)
            relay.start()
            plane.ask_all = relay.ask

            def started(plane: DataPlane) -> None:
                relay.send(Ready(plane.repository.names(), plane.grpc_port))

            if first:
                unfinished = serve(plane, listener, started, lambda plane: _load(plane, lambda: orders), crowd)
            else:
                _load(plane, lambda: asyncio.run(_standing(relay)) or orders)
                unfinished = serve(plane, listener, started, crowd=crowd)
    except StartupError as error:
        connection.send(Failed(str(error), error.hint))
        sys.exit(1)
    if unfinished:
        leave()


def _load(plane: DataPlane, orders: Callable[[], Sequence[Order]]) -> None:
    """Loads, then does what was ordered."""
    plane.repository.load_all()
    for order in orders():
        try:
            order.carry_out(plane.repository)
        except ServerError as error:
            log.warning("what was ordered before this worker started can't be repeated: %s", error)


async def _standing(relay: Relay) -> list[Order]:
    """What the siblings have come to; nothing if none can tell."""
    try:
        told = await relay.ask(StandingQuestion())
    except ServerError:  # one that is changing at this moment
        return []
    return told[0] if told else []
