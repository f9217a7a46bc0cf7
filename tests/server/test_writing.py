"""Two writes of one turn are one; nothing is held for longer, reordered or lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from lampion_server.writing import Joined


class Kept(asyncio.Transport):
    """Keeps what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []

    def write(self, data: Any) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("closed")

    def abort(self) -> None:
        self.done.append("aborted")

    def get_write_buffer_size(self) -> int:
        return 100


def written(*steps: Callable[[Joined], Any]) -> list[Any]:
    """What the transport below saw, with a turn of the event loop at the end and wherever a step is `turn`."""

    async def scene() -> list[Any]:
        kept = Kept()
        joined = Joined(kept)
        for step in (*steps, turn):
            step(joined)
            if step is turn:
                await asyncio.sleep(0)
        return kept.done

    return asyncio.run(scene())


def turn(joined: Joined) -> None:
    pass


def write(data: bytes) -> Callable[[Joined], Any]:
    return lambda joined: joined.write(data)


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        ((write(b"head"), write(b"body")), [b"headbody"]),
        ((write(b"head"),), [b"head"]),
        ((write(b"head"), turn, write(b"body")), [b"head", b"body"]),
        ((write(b"1"), write(b"2"), write(b"3"), write(b"4")), [b"12", b"34"]),
        ((write(b"1"), write(b"2"), write(b"3")), [b"12", b"3"]),
        ((write(b"head"), write(b"")), [b"head"]),
        ((write(b""), write(b"body")), [b"body"]),
        ((write(b"head"), Joined.close), [b"head", "closed"]),
        ((write(b"head"), Joined.abort), ["aborted"]),
    ],
)
def test_what_is_written_together(steps: Any, want: list[Any]) -> None:
    assert written(*steps) == want


def test_what_is_held_is_not_with_the_system_yet() -> None:
    sizes: list[int] = []
    written(write(b"head"), lambda joined: sizes.append(joined.get_write_buffer_size()))
    assert sizes == [104]


def test_an_answer_comes_in_one_piece(server: Any) -> None:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).endswith(b'{"live":true}')
