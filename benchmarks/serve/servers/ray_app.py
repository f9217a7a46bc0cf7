"""Ray Serve as its documentation writes a deployment (docs.ray.io, "Configure Ray Serve deployments").

A replica takes `max_ongoing_requests` at a time. At the default of 5 the router asks again only after up to a second for
what comes beyond (`RequestRouter.backoff_sequence_s`), and 32 connections get 15 answers a second instead of 200.
"""

from __future__ import annotations

import io
import os
import signal
from typing import Any

import numpy as np
import onnxruntime as ort
import ray
from PIL import Image
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=int(os.environ["WORKERS"]), max_ongoing_requests=100, ray_actor_options={"num_cpus": 1})
class Model:
    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    async def __call__(self, request: Request) -> Any:
        if request.url.path == "/json":
            x = np.array((await request.json())["data"], np.float32).reshape(1, 1, 28, 28)
            return {"data": self.session.run(None, {"input": x})[0].ravel().tolist()}
        body = await request.body()
        if request.url.path == "/binary":
            x = np.frombuffer(body, np.float32).reshape(1, 1, 28, 28)
            return Response(self.session.run(None, {"input": x})[0].tobytes())
        image = Image.open(io.BytesIO(body)).convert("RGB").resize((224, 224))
        scores = self.session.run(None, {"image": np.asarray(image)[None]})[0][0]
        return {"top": np.argsort(-scores)[:5].tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, _temp_dir=os.environ["FOLDER"])
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])}, logging_config={"log_level": "WARNING"}
    )
    serve.run(Model.bind())
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    ray.shutdown()
