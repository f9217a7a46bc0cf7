"""The small tools of the routes."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

from starlette.requests import Request

from lampion_server.http import WhileConnected


def test_a_request_that_stays_is_gone_with_its_answer() -> None:
    async def receive() -> Any:
        await asyncio.Event().wait()

    async def scene() -> weakref.ref[WhileConnected]:
        ending = WhileConnected(Request({"type": "http", "headers": []}, receive))
        with ending:
            while ending._watcher is None:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return weakref.ref(ending)

    gc.disable()  # what a circle holds would be there until somebody looks
    try:
        ending = asyncio.run(scene())
        assert ending() is None
    finally:
        gc.enable()
