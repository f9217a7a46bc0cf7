"""One process that serves: what it does beside answering."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from lampion_server import DataPlane, Repository, Settings, serving


def test_what_was_freed_is_given_back_every_minute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = threading.Semaphore(0)
    monkeypatch.setattr(serving, "give_back", given.release)
    settings = Settings(tune_seconds=0)
    plane = DataPlane(Repository([folder / "iris.onnx"], settings), settings)
    server = serving.Server(plane, started=lambda plane: None, prepare=None)

    async def minutes() -> None:
        for tick in range(1, 1201):
            await server.on_tick(tick)
        await plane.close()

    asyncio.run(minutes())  # at its end it waits for its threads
    assert [given.acquire(blocking=False) for _ in range(3)] == [True, True, False]
