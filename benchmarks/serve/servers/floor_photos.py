"""The floor for photos: what the bare loop does, on two threads behind raw ASGI; nothing checked, measured or refused."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import orjson
from plain_asgi import serve

from lampion_edge import Session

session = Session(os.environ["MODEL"], threads=1)
threads = ThreadPoolExecutor(int(os.environ["WORKERS"]))


async def answer(path: str, photo: bytes) -> bytes:
    prediction = await asyncio.get_running_loop().run_in_executor(threads, session.predict, photo, 5)
    return orjson.dumps([label.as_json() for label in prediction.labels])


if __name__ == "__main__":
    serve(answer)
