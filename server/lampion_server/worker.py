"""A worker process: what `serving` does, told by the supervisor and in agreement with its siblings."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

from lampion_server.dataplane import DataPlane
from lampion_server.door import Crowd
from lampion_server.errors import ServerError, StartupError
from lampion_server.orders import Order
from lampion_server.relay import Failed, Ready, Relay
from lampion_server.serving import opened, serve
from lampion_server.settings import Settings

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
    try:
        plane = opened(settings)
        relay = Relay(connection, plane.reply)
        plane.ask_all = relay.ask

        def catch_up(plane: DataPlane) -> None:
            plane.repository.load_all()
            for order in orders:
                try:
                    order.carry_out(plane.repository)
                except ServerError as error:
                    log.warning("what was ordered before this worker started can't be repeated: %s", error)

        def started(plane: DataPlane) -> None:
            relay.start()
            relay.send(Ready(plane.repository.names(), plane.grpc_port))

        if first:
            serve(plane, listener, started, catch_up, crowd)
        else:
            catch_up(plane)
            serve(plane, listener, started, crowd=crowd)
    except StartupError as error:
        connection.send(Failed(str(error), error.hint))
        sys.exit(1)
