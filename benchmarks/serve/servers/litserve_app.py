"""LitServe as its documentation writes it (lightning.ai/docs/litserve, "Speed up serving": photos as base64 in JSON).

It looks at the types of arguments, so there are none where it needs none.
"""

import base64
import io
import os
from typing import Any

import litserve as ls
import numpy as np
import onnxruntime as ort
from PIL import Image


class Api(ls.LitAPI):
    def setup(self, device: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def predict(self, x: dict[str, np.ndarray]) -> np.ndarray:
        return self.session.run(None, x)[0]


class Numbers(Api):
    def decode_request(self, request) -> dict[str, np.ndarray]:
        return {"input": np.array(request["data"], np.float32).reshape(1, 1, 28, 28)}

    def encode_response(self, output: np.ndarray) -> Any:
        return {"data": output.ravel().tolist()}


class Photo(Api):
    def decode_request(self, request) -> dict[str, np.ndarray]:
        image = Image.open(io.BytesIO(base64.b64decode(request["image"]))).convert("RGB").resize((224, 224))
        return {"image": np.asarray(image)[None]}

    def encode_response(self, output: np.ndarray) -> Any:
        return {"top": np.argsort(-output[0])[:5].tolist()}


if __name__ == "__main__":
    api = Photo() if os.environ["SCENARIO"].startswith("photos") else Numbers()
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]))
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning")
