"""Reads the top level of a serialized ONNX ModelProto, without a protobuf library."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lampion_edge import external_data
from lampion_edge.errors import ModelError
from lampion_edge.opening import located
from lampion_edge.wire import MalformedError, fields, message, number_of, text

if TYPE_CHECKING:
    from pathlib import Path

# Field numbers of ModelProto in onnx.proto.
_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _GRAPH, _OPSET, _METADATA, _FUNCTION = 1, 2, 3, 7, 8, 14, 25
_NODE, _FUNCTION_NODE, _OP_TYPE = 1, 7, 4  # of GraphProto, FunctionProto, NodeProto

_BLOCK = 2**20


@dataclass(frozen=True)
class ModelFile:
    """What an ONNX file says of itself before its graph is looked at.

    `metadata` is metadata_props, `graph` the serialized GraphProto, `opsets` maps operator domains ("" is ONNX's own)
    to versions, `size` is in bytes. `folder` is where the file lies, None for one held in memory.
    """

    metadata: dict[str, str]
    graph: memoryview
    opsets: dict[str, int]
    ir_version: int
    producer: str
    size: int
    functions: tuple[memoryview, ...] = ()
    name: str = "model"
    folder: str | None = None

    @classmethod
    def open(cls, path: str | Path) -> ModelFile:
        """Reads the file at `path`, or the current one in a device's folder; the graph stays mapped. Raises ModelError."""
        path = located(path)
        if os.path.isdir(path):
            raise ModelError(f"{path}: expected a model file, got a folder", hint="name the .onnx file inside it")
        try:
            with open(path, "rb") as file:
                # An empty file can't be mapped.
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.stat(path).st_size else b""
        except FileNotFoundError:
            raise ModelError(f"{path}: there is no such file", hint="check the path of the model") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: can't be read ({error})") from error
        return replace(cls.parse(data, name=path), folder=os.path.dirname(path) or ".")

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview | mmap.mmap, *, name: str = "model") -> ModelFile:
        """Reads a serialized ModelProto held in memory; `name` is what errors call it. Raises ModelError."""
        view = memoryview(data)
        if not len(view):
            raise ModelError(f"{name}: expected an ONNX model, got an empty file")
        try:
            return replace(_model(view), name=name)
        except MalformedError as error:
            raise _damaged(name, error) from None

    @cached_property
    def data_files(self) -> list[Path]:
        """The files beside this one that hold weights, sorted. Raises ModelError for one that is missing or lies elsewhere."""
        parts = [("graph", self.graph), *(("function", function) for function in self.functions)]
        try:
            named = {each for kind, data in parts for each in external_data.locations(kind, data)}
        except MalformedError as error:
            raise _damaged(self.name, error) from None
        return external_data.files(self.name, self.folder, named)

    def operators(self) -> set[str]:
        """The names of the operators in the graph and in its functions, without those inside of blocks. Raises ModelError."""
        try:
            nodes = [value for number, value in fields(self.graph) if number == _NODE]
            nodes += [value for one in self.functions for number, value in fields(one) if number == _FUNCTION_NODE]
            return {text(value) for node in nodes for number, value in fields(message(node)) if number == _OP_TYPE}
        except MalformedError as error:
            raise _damaged(self.name, error) from None

    def graph_checksum(self) -> str:
        """SHA-256 of the serialized GraphProto and then of the weights beside it, as `sha256:` and 64 hex digits.

        Raises ModelError as `data_files` does.
        """
        import hashlib

        digest = hashlib.sha256(self.graph)
        for path in self.data_files:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        return f"sha256:{digest.hexdigest()}"

    def checksum_state(self, expected: str) -> str:
        """How the graph stands to the checksum on a card: "ok", "differs", or "absent" when the card has none."""
        if not expected:
            return "absent"
        return "ok" if self.graph_checksum() == expected else "differs"


def _damaged(name: str, error: MalformedError) -> ModelError:
    return ModelError(
        f"{name}: not an ONNX model, or a damaged one ({error})",
        hint="was the file copied whole? A Git LFS pointer or an HTML page saved as .onnx looks like this too",
    )


def _model(data: memoryview) -> ModelFile:
    graphs: list[memoryview] = []
    functions: list[memoryview] = []
    metadata: dict[str, str] = {}
    opsets: dict[str, int] = {}
    texts = {_PRODUCER: "", _PRODUCER_VERSION: ""}
    ir_version = 0
    for number, value in fields(data):
        if number == _IR_VERSION:
            ir_version = number_of(value)
        elif number in texts:
            texts[number] = text(value)
        elif number == _GRAPH:
            graphs.append(message(value))
        elif number == _FUNCTION:
            functions.append(message(value))
        elif number == _OPSET:
            opset = dict(fields(message(value)))
            opsets[text(opset.get(1, memoryview(b"")))] = number_of(opset.get(2, 0))
        elif number == _METADATA:
            entry = dict(fields(message(value)))
            metadata[text(entry.get(1, memoryview(b"")))] = text(entry.get(2, memoryview(b"")))
    if not ir_version or len(graphs) != 1:
        raise MalformedError(f"expected an IR version and one graph, got version {ir_version}, {len(graphs)} graphs")
    producer = " ".join(part for part in texts.values() if part)
    return ModelFile(metadata, graphs[0], opsets, ir_version, producer, len(data), tuple(functions))
