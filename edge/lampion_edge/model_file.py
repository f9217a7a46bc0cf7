"""Reads the top level of a serialized ONNX ModelProto, without a protobuf library."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lampion_edge.errors import ModelError

# Field numbers of ModelProto in onnx.proto.
_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _GRAPH, _OPSET, _METADATA = 1, 2, 3, 7, 8, 14


@dataclass(frozen=True)
class ModelFile:
    """What an ONNX file says of itself before its graph is looked at.

    `metadata` is metadata_props, `graph` the serialized GraphProto, `opsets` maps operator domains ("" is ONNX's own)
    to versions, `size` is in bytes.
    """

    metadata: dict[str, str]
    graph: memoryview
    opsets: dict[str, int]
    ir_version: int
    producer: str
    size: int

    @classmethod
    def open(cls, path: str | Path) -> ModelFile:
        """Reads the file at `path`; the graph stays mapped, not copied. Raises ModelError."""
        path = Path(path)
        if path.is_dir():
            raise ModelError(f"{path}: expected a model file, got a folder", hint="name the .onnx file inside it")
        try:
            with path.open("rb") as file:
                # An empty file can't be mapped.
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
        except FileNotFoundError:
            raise ModelError(f"{path}: there is no such file", hint="check the path of the model") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: can't be read ({error})") from error
        return cls.parse(data, name=str(path))

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview | mmap.mmap, *, name: str = "model") -> ModelFile:
        """Reads a serialized ModelProto held in memory; `name` is what errors call it. Raises ModelError."""
        view = memoryview(data)
        if not len(view):
            raise ModelError(f"{name}: expected an ONNX model, got an empty file")
        try:
            return _model(view)
        except _MalformedError as error:
            raise ModelError(
                f"{name}: not an ONNX model, or a damaged one ({error})",
                hint="was the file copied whole? A Git LFS pointer or an HTML page saved as .onnx looks like this too",
            ) from None

    def graph_checksum(self) -> str:
        """SHA-256 of the serialized GraphProto, as `sha256:` and 64 hex digits."""
        return f"sha256:{hashlib.sha256(self.graph).hexdigest()}"

    def checksum_state(self, expected: str) -> str:
        """How the graph stands to the checksum on a card: "ok", "differs", or "absent" when the card has none."""
        if not expected:
            return "absent"
        return "ok" if self.graph_checksum() == expected else "differs"


# --- protobuf's wire format ---


class _MalformedError(Exception):
    """The bytes are no protobuf message of the kind expected."""


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """The varint at `position` and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _MalformedError("it ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _MalformedError("a number is longer than 10 bytes")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers of a message with their values: an int for a varint, the bytes for everything else."""
    position = 0
    while position < len(data):
        key, start = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, start)
            yield number, value
            continue
        if wire == 2:
            size, start = _varint(data, start)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise _MalformedError(f"unknown wire type {wire} at byte {position}")
        position = start + size
        if position > len(data):
            raise _MalformedError(f"field {number} needs {size} bytes, {len(data) - start} are left")
        yield number, data[start:position]


def _text(value: int | memoryview) -> str:
    try:
        return bytes(_message(value)).decode()
    except UnicodeDecodeError:
        raise _MalformedError("a text is not UTF-8") from None


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _MalformedError("a number stands where bytes are expected")
    return value


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise _MalformedError("bytes stand where a number is expected")
    return value


# --- ONNX's messages ---


def _model(data: memoryview) -> ModelFile:
    graphs: list[memoryview] = []
    metadata: dict[str, str] = {}
    opsets: dict[str, int] = {}
    texts = {_PRODUCER: "", _PRODUCER_VERSION: ""}
    ir_version = 0
    for number, value in _fields(data):
        if number == _IR_VERSION:
            ir_version = _number(value)
        elif number in texts:
            texts[number] = _text(value)
        elif number == _GRAPH:
            graphs.append(_message(value))
        elif number == _OPSET:
            opset = dict(_fields(_message(value)))
            opsets[_text(opset.get(1, memoryview(b"")))] = _number(opset.get(2, 0))
        elif number == _METADATA:
            entry = dict(_fields(_message(value)))
            metadata[_text(entry.get(1, memoryview(b"")))] = _text(entry.get(2, memoryview(b"")))
    if not ir_version or len(graphs) != 1:
        raise _MalformedError(f"expected an IR version and one graph, got version {ir_version}, {len(graphs)} graphs")
    producer = " ".join(text for text in texts.values() if text)
    return ModelFile(metadata, graphs[0], opsets, ir_version, producer, len(data))
