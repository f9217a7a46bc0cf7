"""Mixed traffic, as a server has it: tensors, photos, mistakes, callers who leave; each request knows its right answer."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
from collections.abc import Awaitable, Callable

import numpy as np
from PIL import Image
from server.callers import Client, named

INFER, PREDICT = "/v2/models/{}/infer", "/v1/models/digits/predict"
LIGHT = np.full((427, 640, 3), 250, np.uint8)


def _jpeg(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 6, LIGHT.shape, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(LIGHT - noise).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


PHOTOS = [_jpeg(seed) for seed in range(8)]


def _tensor(data: list[float]) -> dict[str, object]:
    return {"name": "x", "datatype": "FP32", "shape": [1, len(data)], "data": data}


async def numbers(client: Client, number: int) -> str:
    """Version v multiplies by v; in numbers that float32 has exactly."""
    number %= 1000
    body = json.dumps({"id": str(number), "inputs": [_tensor([number, 1, 2, 3])]}).encode()
    answer = await client.post(INFER.format("iris"), body)
    if answer.status != 200:
        return f"infer {answer.status}"
    told = json.loads(answer.body)
    version = int(told["model_version"])
    right = told["outputs"][0]["data"] == [version * number, version, 2 * version] and told["id"] == str(number)
    return "right" if right else "wrong"


async def binary(client: Client, number: int) -> str:
    """A batch of rows as bytes, there and back."""
    rows = np.full((1 + number % 64, 256), number, np.float32)
    tensor = {"name": "x", "datatype": "FP32", "shape": rows.shape, "parameters": {"binary_data_size": rows.nbytes}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = f"Inference-Header-Content-Length: {len(head)}\r\n"
    answer = await client.post(INFER.format("echo"), head + rows.tobytes(), length)
    return "right" if answer.status == 200 and answer.body.endswith(rows.tobytes()) else f"binary {answer.status}"


async def photo(client: Client, number: int) -> str:
    """A photo as the body, in a form, or as base64."""
    one = PHOTOS[number % len(PHOTOS)]
    kinds: tuple[tuple[str, bytes], ...] = (
        ("image/jpeg", one),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
         + one + b"\r\n--b--\r\n"),
        ("application/json", json.dumps({"image": base64.b64encode(one).decode()}).encode()),
    )  # fmt: skip
    kind, body = kinds[number % 3]
    answer = await client.post(PREDICT + "?top=1", body, f"Content-Type: {kind}\r\n")
    return "right" if answer.status == 200 and b'"light"' in answer.body else f"photo {answer.status}"


MISTAKES: tuple[tuple[str, bytes, str, int], ...] = (
    (INFER.format("iris"), b"{", "", 400),
    (INFER.format("iris"), json.dumps({"inputs": [_tensor([1, 2])]}).encode(), "", 400),
    (INFER.format("nobody"), b"{}", "", 404),
    (INFER.format("iris"), b"zipped", "Content-Encoding: gzip\r\n", 400),
    (INFER.format("iris"), b"zipped", "Content-Encoding: br\r\n", 415),
    (INFER.format("iris"), bytes(2_000_000), "", 413),
    (PREDICT, b"no photo", "", 400),
    (PREDICT, PHOTOS[0][:5000], "", 400),
    (PREDICT + "?top=0", PHOTOS[0], "", 400),
)


async def mistake(client: Client, number: int) -> str:
    """What must be refused, and how."""
    path, body, headers, status = MISTAKES[number % len(MISTAKES)]
    answer = await client.post(path, body, headers)
    return "right" if answer.status == status and b'"error"' in answer.body else f"mistake {answer.status}"


async def leaver(client: Client, number: int) -> str:
    """Asks, and is gone before the answer: in the middle of the head, of the body, or of the wait."""
    body = json.dumps({"inputs": [_tensor([20_000.0])]}).encode()
    head = f"POST {INFER.format('spin')} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write((head[:30], head + body[:10], head + body)[number % 3])
    await asyncio.sleep(0.01)
    writer.close()
    return "left"


async def look(client: Client, number: int) -> str:
    """What monitors ask for."""
    path = ("/metrics", "/v2/health/ready", "/v2/models/stats", "/openapi.json", "/v1/models")[number % 5]
    answer = await client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n")
    return "right" if answer.status == 200 else f"look {answer.status}"


# Of 40 requests so many are of each kind.
SHARES: dict[Callable[[Client, int], Awaitable[str]], int] = {
    numbers: 18, binary: 8, photo: 5, mistake: 4, leaver: 3, look: 2
}  # fmt: skip
_DEALT = random.Random(0).sample([kind for kind, share in SHARES.items() for _ in range(share)], sum(SHARES.values()))


async def anything(client: Client, number: int) -> str:
    """The n-th request of the mixture."""
    kind = _DEALT[number % len(_DEALT)]
    try:
        return await kind(client, number // len(_DEALT) * 7 + number)
    except (OSError, asyncio.IncompleteReadError) as error:
        return f"{kind.__name__} {named(error)}"
