"""The floor: onnxruntime behind raw ASGI and orjson, nothing checked, nothing measured, nothing batched."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime as ort
import orjson
from plain_asgi import serve

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
SHAPE = (1, 1, 28, 28)


async def answer(path: str, body: bytes) -> bytes:
    if path == "/json":
        x = np.array(orjson.loads(body)["inputs"][0]["data"], np.float32)
        (y,) = session.run(None, {"input": x.reshape(SHAPE)})
        told = {"outputs": [{"name": "output", "datatype": "FP32", "shape": y.shape, "data": y.ravel()}]}
        return orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)
    (y,) = session.run(None, {"input": np.frombuffer(body, np.float32).reshape(SHAPE)})
    return y.tobytes()


if __name__ == "__main__":
    serve(answer)
