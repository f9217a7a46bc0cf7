"""All calls of KServe's clients against the server at argv[1] (HTTP) and argv[2] (gRPC); prints what came back as JSON.

A process of its own, since KServe's messages and tritonclient's have the same names and can't live in one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def asked(array: np.ndarray, *, binary: bool, **more: Any) -> InferRequest:
    tensor = InferInput("x", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name="iris", infer_inputs=[tensor], request_id="a-7", **more)


def told(answer: Any) -> list[Any]:
    return [answer.id, answer.outputs[0].as_numpy().tolist()]


async def rest(url: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=60))
    calls: dict[str, Any] = {
        "rest live": await client.is_server_live(url),
        "rest ready": await client.is_server_ready(url),
        "rest model ready": await client.is_model_ready(url, "iris"),
    }
    for sent in (True, False):
        for wanted in (True, False):
            outputs = [RequestedOutput("y", {"binary_data": wanted})]
            answer = await client.infer(url, asked(X, binary=sent, request_outputs=outputs), model_name="iris")
            calls[f"rest infer {sent} {wanted}"] = told(answer)
    try:
        await client.infer(url, asked(X[:, :3], binary=True), model_name="iris")
    except httpx.HTTPStatusError as error:
        calls["rest wrong shape"] = error.response.status_code
    return calls


async def grpc(address: str) -> dict[str, Any]:
    client = InferenceGRPCClient(address, retries=0)
    calls = {
        "grpc live": await client.is_server_live(),
        "grpc ready": await client.is_server_ready(),
        "grpc model ready": await client.is_model_ready("iris"),
        "grpc infer raw": told(await client.infer(asked(X, binary=True))),
        "grpc infer typed": told(await client.infer(asked(X, binary=False))),
    }
    await client.close()
    return calls


async def main(url: str, address: str) -> None:
    print(json.dumps(await rest(url) | await grpc(address)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
