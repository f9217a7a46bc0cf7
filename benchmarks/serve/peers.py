"""Who is measured: how each is installed, started and asked. A new peer is a file in servers/ and a row in PEERS."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lampion_edge import tensor_message

SERVERS = Path(__file__).with_name("servers")
NUMBERS, BYTES, PHOTOS, LARGE = "numbers as JSON", "numbers as bytes", "photos 640x427", "photos 12 megapixels"

Message = tuple[str, bytes, dict[str, str]]  # path, body, headers
Ask = Callable[[object], Message]
_JSON, _RAW = {"Content-Type": "application/json"}, {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Peer:
    """`packages` are pip's, for a venv of its own (none: this Python); `asks` makes a request of an array or a photo."""

    name: str
    program: str
    asks: Mapping[str, Ask]
    packages: tuple[str, ...] = ()
    ports: int = 1
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of its venv."""
        return Path(self.program).stem


def protocol_json(path: str) -> Ask:
    """An infer request of the Open Inference Protocol."""
    return lambda x: (path, tensor_message.written_as_json({"input": np.asarray(x)}), _JSON)


def protocol_bytes(path: str) -> Ask:
    def ask(x: object) -> Message:
        body, length = tensor_message.written({"input": x}, None)
        return path, body, _RAW | {tensor_message.JSON_LENGTH: str(length)}

    return ask


def plain_json(path: str) -> Ask:
    return lambda x: (path, json.dumps({"data": np.asarray(x).ravel().tolist()}).encode(), _JSON)


def plain_bytes(path: str) -> Ask:
    return lambda x: (path, x if isinstance(x, bytes) else np.asarray(x).tobytes(), _RAW)


def base64_json(path: str) -> Ask:
    def ask(photo: object) -> Message:
        assert isinstance(photo, bytes)
        return path, json.dumps({"image": base64.b64encode(photo).decode()}).encode(), _JSON

    return ask


def form(path: str) -> Ask:
    """A photo as a browser uploads it."""

    def ask(photo: object) -> Message:
        assert isinstance(photo, bytes)
        head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        return path, head + photo + b"\r\n--cut--\r\n", {"Content-Type": "multipart/form-data; boundary=cut"}

    return ask


_INFER, _PREDICT = "/v2/models/numbers/infer", "/v1/models/photos/predict"
_MODEL = ("numpy", "pillow", "onnxruntime")

LAMPION = Peer(
    "lampion",
    "-c import sys; from lampion_edge.cli import lampion; sys.exit(lampion())",
    {
        NUMBERS: protocol_json(_INFER),
        BYTES: protocol_bytes(_INFER),
        PHOTOS: plain_bytes(_PREDICT),
        LARGE: plain_bytes(_PREDICT),
    },
)
LAMPION_TWO = replace(
    LAMPION,
    name="lampion, two workers",
    asks={BYTES: protocol_bytes(_INFER), PHOTOS: plain_bytes(_PREDICT), LARGE: plain_bytes(_PREDICT)},
)
FLOOR = Peer("raw ASGI, orjson", "floor_asgi.py", {NUMBERS: protocol_json("/json"), BYTES: plain_bytes("/binary")})
FLOOR_PHOTOS = Peer("raw ASGI, two threads", "floor_photos.py", {PHOTOS: plain_bytes("/"), LARGE: plain_bytes("/")})
FASTAPI = Peer(
    "FastAPI, pydantic",
    "fastapi_app.py",
    {
        NUMBERS: plain_json("/json"),
        BYTES: plain_bytes("/binary"),
        PHOTOS: form("/photo"),
        LARGE: form("/photo"),
    },
    (*_MODEL, "fastapi", "uvicorn[standard]", "python-multipart"),
)
LITSERVE = Peer(
    "LitServe",
    "litserve_app.py",
    {NUMBERS: plain_json("/predict"), PHOTOS: base64_json("/predict"), LARGE: base64_json("/predict")},
    (*_MODEL, "litserve", "python-multipart"),
)
MLSERVER = Peer(
    "MLServer", "mlserver_app.py", {NUMBERS: protocol_json(_INFER)}, (*_MODEL, "mlserver", "uvloop<0.22"), ports=3
)
BENTOML = Peer(
    "BentoML",
    "bentoml_app.py",
    {NUMBERS: plain_json("/json"), PHOTOS: form("/photo"), LARGE: form("/photo")},
    (*_MODEL, "bentoml"),
)
RAY = Peer(
    "Ray Serve",
    "ray_app.py",
    {
        NUMBERS: plain_json("/json"),
        BYTES: plain_bytes("/binary"),
        PHOTOS: plain_bytes("/photo"),
        LARGE: plain_bytes("/photo"),
    },
    (*_MODEL, "ray[serve]"),
)
TRITON = Peer(
    "Triton, Python backend",
    "triton_app.py",
    {NUMBERS: protocol_json(_INFER), BYTES: protocol_bytes(_INFER)},
    ("numpy", "onnxruntime", "nvidia-pytriton"),
)
PEERS = (LAMPION, LAMPION_TWO, FLOOR, FLOOR_PHOTOS, FASTAPI, LITSERVE, MLSERVER, BENTOML, RAY, TRITON)
BARE = "bare loop, no server"


def command(peer: Peer, python: Path, model: Path, port: int) -> list[str]:
    """What starts a peer."""
    if peer in (LAMPION, LAMPION_TWO):
        flags = ["serve", str(model), "--port", str(port), "--log-level", "warning"]
        flags += ["--workers", "2"] if peer is LAMPION_TWO else []
        return [sys.executable, *peer.program.split(" ", 1), *flags]
    return [str(python), str(SERVERS / peer.program)]
