from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lampion_edge.notify import Notify


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The other end, as systemd binds it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0lampion-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(name)
        channel.settimeout(0.05)
        yield channel


def heard(channel: socket.socket) -> list[str]:
    messages = []
    try:
        while True:
            messages.append(channel.recv(4096).decode())
    except TimeoutError:
        return messages


def test_words(systemd: socket.socket) -> None:
    Notify().say("READY=1", "STATUS=sees")
    assert heard(systemd) == ["READY=1\nSTATUS=sees"]


def test_the_watchdog_is_fed_twice_in_its_time(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    notify = Notify()
    for now in (100.0, 100.1, 109.9, 110.0, 115.0, 121.0):  # noqa: B007  # the lambda reads it
        notify.alive()
    assert heard(systemd) == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}])
def test_a_watchdog_that_is_not_ours(
    systemd: socket.socket, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Notify().alive()
    assert heard(systemd) == []


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_nobody_listens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    Notify().say("READY=1")
