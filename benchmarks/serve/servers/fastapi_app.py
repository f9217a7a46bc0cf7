"""FastAPI as its documentation writes it: a pydantic model for numbers, the body for bytes, an UploadFile for photos.

What blocks for long is a plain `def`, which runs in a thread (fastapi.tiangolo.com, "Request Files", "Concurrency and async").
"""

from __future__ import annotations

import io
import os

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI, Request, Response, UploadFile
from PIL import Image
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Question(BaseModel):
    data: list[float]


class Answer(BaseModel):
    data: list[float]


@app.post("/json")
async def numbers(question: Question) -> Answer:
    x = np.array(question.data, np.float32).reshape(1, 1, 28, 28)
    return Answer(data=session.run(None, {"input": x})[0].ravel().tolist())


@app.post("/binary")
async def binary(request: Request) -> Response:
    x = np.frombuffer(await request.body(), np.float32).reshape(1, 1, 28, 28)
    return Response(session.run(None, {"input": x})[0].tobytes(), media_type="application/octet-stream")


@app.post("/photo")
def photo(file: UploadFile) -> list[int]:
    image = Image.open(io.BytesIO(file.file.read())).convert("RGB").resize((224, 224))
    scores = session.run(None, {"image": np.asarray(image)[None]})[0][0]
    return np.argsort(-scores)[:5].tolist()


if __name__ == "__main__":
    workers = int(os.environ["WORKERS"])
    uvicorn.run("fastapi_app:app", port=int(os.environ["PORT"]), workers=workers, log_level="warning", access_log=False)
