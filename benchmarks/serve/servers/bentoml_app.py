"""BentoML as its documentation writes a service (docs.bentoml.com, "Define input and output types": PIL.Image.Image)."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import onnxruntime as ort
from PIL.Image import Image


@bentoml.service(workers=int(os.environ["WORKERS"]))
class Model:
    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api
    def json(self, data: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"input": data.astype(np.float32).reshape(1, 1, 28, 28)})[0]

    @bentoml.api
    def photo(self, file: Image) -> list[int]:
        pixels = np.asarray(file.convert("RGB").resize((224, 224)))[None]
        return np.argsort(-self.session.run(None, {"image": pixels})[0][0])[:5].tolist()


if __name__ == "__main__":
    import sys

    command = ["serve", "bentoml_app:Model", "--host", "127.0.0.1", "--port", os.environ["PORT"]]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *command])
