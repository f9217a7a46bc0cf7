"""The requests that a server is measured with, ready as bytes: photos as they are, or tensors made up from its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote

import numpy as np

from lampion_edge import tensor_message
from lampion_edge.card import TensorSpec
from lampion_edge.client import Client, base
from lampion_edge.errors import InputError
from lampion_edge.input_files import PHOTO_FILES, expand
from lampion_edge.samples import random_input

BINARY, JSON, PHOTOS = "binary", "json", "photos"
_VARIANTS = 8  # different tensors in turn, so that nobody's cache answers


def http_request(server: SplitResult, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A POST in HTTP/1.1."""
    host = "localhost" if server.scheme == "unix" else server.netloc.rpartition("@")[2]
    lines = [f"POST {base(server)}{path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def only_model(client: Client) -> str:
    """The name of the one model that is served. Raises InputError if there are several, ServiceError if nobody tells."""
    names = sorted({entry["name"] for entry in client.models() if entry.get("state", "READY") == "READY"})
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise InputError(f"--name: expected the model to ask, among those served: {found}", field="name")
    return str(names[0])


def photo_messages(paths: Sequence[str]) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Body and headers for each photo: files, folders, patterns. Raises InputError for one that can't be read."""
    for path in expand(paths, PHOTO_FILES):
        try:
            yield Path(path).read_bytes(), {"Content-Type": "application/octet-stream"}
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror})", field="photo") from None


def tensor_messages(
    inputs: Sequence[Mapping[str, Any]], kind: str, batch: int, shapes: Mapping[str, Sequence[int]]
) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Body and headers of infer requests with random values for the `inputs` of a model's metadata.

    `batch` is the first size where it may vary, `shapes` tells whole shapes by the input's name. Raises InputError.
    """
    specs = [_spec(told, batch, shapes) for told in inputs]
    if unknown := set(shapes) - {spec.name for spec in specs}:
        known = ", ".join(spec.name for spec in specs)
        raise InputError(f"--shape: the model has no input {unknown.pop()!r}, it has {known}", field="shape")
    random = np.random.default_rng(0)
    for _ in range(_VARIANTS):
        arrays = {spec.name: random_input(spec, batch, {}, random) for spec in specs}
        if kind == JSON:
            yield tensor_message.written_as_json(arrays), {"Content-Type": "application/json"}
            continue
        body, length = tensor_message.written(arrays, None)
        yield body, {"Content-Type": "application/octet-stream", tensor_message.JSON_LENGTH: str(length)}


def _spec(told: Mapping[str, Any], batch: int, shapes: Mapping[str, Sequence[int]]) -> TensorSpec:
    name, open_sizes = told["name"], [size if size >= 0 else None for size in map(int, told["shape"])]
    dtype = "string" if told["datatype"] == "BYTES" else str(tensor_message.dtype(told["datatype"], name))
    if name in shapes:
        return TensorSpec(name, dtype, tuple(shapes[name]))
    if open_sizes and open_sizes[0] not in (None, batch) and batch != 1:
        raise InputError(f"--batch: input {name!r} has the fixed shape {open_sizes}", field="batch")
    return TensorSpec(name, dtype, tuple(open_sizes))


def infer_path(model: str, version: str | None) -> str:
    return f"/v2/models/{quote(model)}" + (f"/versions/{quote(version)}" if version else "") + "/infer"


def predict_path(model: str) -> str:
    return f"/v1/models/{quote(model)}/predict"
