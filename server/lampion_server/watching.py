"""Looks for changed files and new versions, again and again, while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from lampion_server.background import beside
from lampion_server.dataplane import DataPlane

log = logging.getLogger(__name__)


@asynccontextmanager
async def watched(plane: DataPlane) -> AsyncIterator[None]:
    """Takes in what changed on disk every `settings.watch` seconds while the block lasts; 0 doesn't look."""
    if not plane.settings.watch:
        yield
        return
    task = asyncio.create_task(_look(plane))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _look(plane: DataPlane) -> None:
    while True:
        await asyncio.sleep(plane.settings.watch)
        try:
            await asyncio.wrap_future(beside(plane.repository.refresh))
        except Exception:  # a folder that is unmounted for a while must not end the watch
            log.exception("looking for changed models failed")
