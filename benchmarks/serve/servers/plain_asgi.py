"""HTTP as ASGI has it: the body of a request, the answer to it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn


def serve(answer: Callable[[str, bytes], Awaitable[bytes]]) -> None:
    """Answers every request with what `answer` makes of its path and body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        content = await answer(scope["path"], body)
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning", access_log=False, lifespan="off", ws="none")
