"""Several processes at one listener: callers go where the fewest are, and nobody waits for a process that takes none."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from lampion_server.door import ABSENT, Connections, Crowd, Door


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


class House:
    """One process's side: a door, and the connections that its callers became."""

    def __init__(self, listener: socket.socket, counts: list[int], number: int) -> None:
        self.crowd = Crowd(counts, number)
        self.connections = Connections(self.crowd)
        self.door = Door(listener, 64, self.crowd, self._enter)

    async def _enter(self, caller: socket.socket) -> None:
        self.connections.add(caller)

    def leave(self, callers: int) -> None:
        for caller in list(self.connections)[:callers]:
            self.connections.discard(caller)
            caller.close()

    async def close(self) -> None:
        self.door.close()
        self.door.close()  # twice is as good as once
        await self.door.wait_closed()
        self.leave(len(self.connections))


async def callers(
    listener: socket.socket, number: int, houses: Sequence[House], calls: ExitStack, pause: float = 0.0
) -> None:
    """So many connect, and are let in."""
    before = sum(len(house.connections) for house in houses)
    for _ in range(number):
        call = calls.enter_context(socket.socket())
        call.setblocking(False)
        await asyncio.get_running_loop().sock_connect(call, listener.getsockname())
        await asyncio.sleep(pause)
    while sum(len(house.connections) for house in houses) < before + number:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("pause", [0.0, 0.003])
def test_callers_are_shared(listener: socket.socket, pause: float) -> None:
    async def go() -> None:
        counts = [ABSENT, ABSENT]
        with ExitStack() as calls:
            houses = [House(calls.enter_context(listener.dup()), counts, number) for number in (0, 1)]
            await callers(listener, 32, houses, calls, pause)
            assert counts == [len(house.connections) for house in houses]
            assert min(counts) >= 13
            houses[0].leave(10)
            assert counts[0] == len(houses[0].connections)
            await callers(listener, 8, houses, calls, pause)
            assert counts[0] >= min(counts[1] - 4, 12)
            for house in houses:
                await house.close()
            assert counts == [ABSENT, ABSENT]

    asyncio.run(asyncio.wait_for(go(), 20))


def test_nobody_waits_for_a_process_that_takes_none(listener: socket.socket) -> None:
    async def go() -> None:
        counts = [ABSENT, 0]  # the second says that it is free, and hangs
        with ExitStack() as calls:
            house = House(listener, counts, 0)
            await callers(listener, 12, [house], calls)
            assert counts == [12, 0]
            await house.close()

    asyncio.run(asyncio.wait_for(go(), 20))


def test_one_that_is_gone_counts_for_nothing(listener: socket.socket) -> None:
    counts = [ABSENT, 0]
    here = Crowd(counts, 0)
    here.open()
    here.came(7)
    assert here.ahead == 6
    Crowd(counts, 1).close()
    assert not here.ahead


class Full(socket.socket):
    """A listener of a process that may open no more files, for the first time that it is asked."""

    asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.asked == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_without_room_the_callers_wait(listener: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        with ExitStack() as calls:
            full = Full(fileno=listener.dup().detach())
            house = House(full, [ABSENT], 0)
            await callers(listener, 1, [house], calls)
            await house.close()
            full.close()

    asyncio.run(asyncio.wait_for(go(), 20))
    assert "callers have to wait: Too many open files" in caplog.text


def test_a_caller_whose_greeting_fails_is_not_counted(listener: socket.socket) -> None:
    async def go() -> None:
        counts = [ABSENT]

        async def refuse(caller: socket.socket) -> None:
            caller.close()
            raise ConnectionResetError("no TLS")

        door = Door(listener, 64, Crowd(counts, 0), refuse)
        with socket.create_connection(listener.getsockname()) as call:
            call.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(call, 1) == b""
        await door.wait_closed()
        await asyncio.sleep(0)
        assert counts == [0]
        door.close()

    asyncio.run(asyncio.wait_for(go(), 20))
