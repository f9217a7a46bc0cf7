"""Weights in files of their own beside a model: which files a model names, and that they lie in its own folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lampion_edge.errors import ModelError
from lampion_edge.wire import fields, message, text

if TYPE_CHECKING:
    from pathlib import Path

# Where messages lie inside messages of onnx.proto, by field number.
_INSIDE = {
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_KEY, _VALUE = 1, 2
# No message names a file without this key in it; looking for it in a small one is far cheaper than reading it.
_MARK = b"location"
_SMALL = 4096


def locations(kind: str, outermost: memoryview) -> list[str]:
    """The files that the tensors of a graph or function lie in, each once. Raises MalformedError."""
    found: dict[str, None] = {}
    waiting = [(kind, outermost)]
    while waiting:
        kind, data = waiting.pop()
        if kind == "entry":
            entry = dict(fields(data))
            if entry.get(_KEY, b"") == _MARK:
                found[text(entry.get(_VALUE, memoryview(b"")))] = None
            continue
        for number, value in fields(data):
            if inner := _INSIDE[kind].get(number):
                part = message(value)
                if len(part) > _SMALL or _MARK in bytes(part):
                    waiting.append((inner, part))
    return list(found)


def files(name: str, folder: str | None, named: Iterable[str]) -> list[Path]:
    """The files called `named` in the folder of model `name`, sorted; None is the folder of a model held in memory.

    Raises ModelError for a missing one, and for one that is not inside the folder: an absolute path, one that climbs out
    with .., a link that leads elsewhere. A model from a stranger could otherwise have any file of this machine read.
    """
    return [_file(name, folder, each) for each in sorted(named)]


def _file(name: str, folder: str | None, named: str) -> Path:
    from pathlib import Path

    if folder is None:
        raise ModelError(
            f"{name}: its weights lie in another file, {named!r}, which bytes in memory don't come with",
            hint="open the model by its path",
        )
    path = Path(folder, named)
    if "\0" in named or ".." in Path(named).parts or not path.resolve().is_relative_to(Path(folder).resolve()):
        raise ModelError(
            f"{name}: its weights must lie in its own folder, got {named!r}",
            hint="don't run it unless you know who made it; then move the weights beside the model",
        )
    if not path.is_file():
        raise ModelError(
            f"{name}: its weights are missing: there is no file {path}",
            hint="a model with weights beside it is copied together with them",
        )
    return path
