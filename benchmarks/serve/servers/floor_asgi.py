"""The floor: onnxruntime behind raw ASGI and orjson, nothing checked, nothing measured, nothing batched."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson
import uvicorn

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
SHAPE = (1, 1, 28, 28)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    if scope["path"] == "/json":
        x = np.array(orjson.loads(body)["inputs"][0]["data"], np.float32)
        (y,) = session.run(None, {"input": x.reshape(SHAPE)})
        told = {"outputs": [{"name": "output", "datatype": "FP32", "shape": y.shape, "data": y.ravel()}]}
        content = orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)
    else:
        (y,) = session.run(None, {"input": np.frombuffer(body, np.float32).reshape(SHAPE)})
        content = y.tobytes()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning", access_log=False, lifespan="off")
