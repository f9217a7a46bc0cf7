"""The edge's server on a loopback port, in this process, and what is said to it by hand."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lampion_edge.web.listening import Limits, Web


@contextmanager
def listening(routes: Any, limits: Limits | None = None, told: Any = None) -> Iterator[Web]:
    """A started server, stopped in the end."""
    web = Web(routes, "127.0.0.1", 0, limits, told)
    web.start()
    try:
        yield web
    finally:
        web.stop(5)


def said(web: Web, raw: bytes, *, close: bool = True) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to raw bytes."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(raw)
        if close:
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            return answer(stream)


def answer(stream: Any) -> tuple[int, dict[str, str], bytes]:
    """One answer from a connection."""
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip().decode():
        name, _, value = line.partition(": ")
        headers[name] = value
    return status, headers, stream.read(int(headers["Content-Length"]))


def error(content: bytes) -> str:
    """The sentence in a refusal."""
    sentence: str = json.loads(content)["error"]
    return sentence
