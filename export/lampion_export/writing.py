"""The end of every road to a file: a graph and what it must agree with go in, a verified file with its card comes out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Card, EdgeError, Golden, ModelFile, Session
from lampion_export.drawn import drawn_outputs
from lampion_export.errors import ExportError, MismatchError
from lampion_export.hunting import TRIES
from lampion_export.trace import Dynamic, Example
from lampion_export.verification import Reference, Report, allowance, run_eagerly, verify

GOLDEN_ROWS = 3
# protobuf ends at 2 GiB; the rest is for the graph, the card and the golden samples.
LARGEST = 1_800_000_000
# What is smaller stays inside: onnxruntime wants to see shapes and axes while it loads the graph.
SMALLEST_BESIDE = 1024


@dataclass(frozen=True)
class Exported:
    """What `export` wrote: the file, its card, and the verification it passed."""

    path: Path
    card: Card
    report: Report

    def __str__(self) -> str:
        return f"{self.report}\nwrote {self.path} ({_size(self.path) / 1024:.0f} KB)"


def write_verified(
    model: ir.Model,
    function: Callable[..., Any] | Reference,
    examples: Example,
    dynamic: Dynamic,
    target: Path,
    card: Card,
    *,
    also: Mapping[str, Example] | None = None,
    hunt: int = TRIES,
    external_data: bool | None = None,
    quiet: bool = False,
) -> Exported:
    """Writes `model` with `card` and golden samples to `target`, if it answers as `function` does on the examples.

    `also` are further inputs to compare on, by what they are called; `hunt` is for `verify`. Weights go into a file beside the
    model with `external_data`, or where they are too many for one. Raises MismatchError or ExportError and writes nothing then.
    """
    with _draft(model, target, external_data) as path:
        with _writing(target):
            _save(model, path, card)
        session = _session(path, target)
        drawn = drawn_outputs(model)
        report = verify(function, session, examples, dynamic, also=also, drawn=drawn, model=model, hunt=hunt)
        if not report.ok:
            raise MismatchError(f"the exported graph differs from what ran, so nothing was written:\n{report}")
        golden = None if drawn else _golden(function, session, examples, dynamic)
        with _writing(target):
            _save(model, path, card, golden)
        session = _session(path, target)
        if (replayed := session.verify()).ok is False:
            raise MismatchError(f"the golden samples do not replay, so nothing was written:\n{replayed}")
        with _writing(target):
            _publish(path.parent, target)
    exported = Exported(target, session.card, report)
    if not quiet:
        print(exported)
    return exported


def writable(path: Path) -> Path:
    """The path, of a file that can be written. Raises ExportError before the work starts rather than after it."""
    folder = path.parent
    with _writing(path):
        if path.is_dir():
            raise ExportError(f"{path}: is a folder; expected the name of a file to write")
    if not folder.is_dir():
        raise ExportError(f"{path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise ExportError(f"{path}: the folder {folder} is not writable")
    return path


def serialized(model: ir.Model, card: Card, golden: Golden | None = None) -> bytes:
    """The file's bytes, with the card (its checksum filled in) and the golden samples inside."""
    return _with_card(model, card, golden, ModelFile.parse(_bytes(model)).graph_checksum())


def replaced(target: Path, data: bytes) -> None:
    """Writes bytes to a file, whole or not at all. Raises ExportError."""
    with _writing(target), tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        (Path(folder) / target.name).write_bytes(data)
        _publish(Path(folder), target)


def is_large(model: ir.Model) -> bool:
    """Whether the weights are too many to lie in one file with the graph."""
    return (
        sum(v.const_value.nbytes for graph in model.graphs() for v in graph.initializers.values() if v.const_value)
        > LARGEST
    )


def _save(model: ir.Model, path: Path, card: Card, golden: Golden | None = None) -> None:
    path.write_bytes(_bytes(model))
    path.write_bytes(_with_card(model, card, golden, ModelFile.open(path).graph_checksum()))


def _with_card(model: ir.Model, card: Card, golden: Golden | None, checksum: str) -> bytes:
    model.metadata_props[METADATA_CARD] = replace(card, checksum=checksum).to_json()
    model.metadata_props.pop(METADATA_GOLDEN, None)
    if golden is not None:
        model.metadata_props[METADATA_GOLDEN] = golden.to_json()
    return _bytes(model)


def _bytes(model: ir.Model) -> bytes:
    data: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return data


@contextmanager
def _draft(model: ir.Model, target: Path, external_data: bool | None) -> Iterator[Path]:
    """Where the file takes shape: in a hidden folder beside `target`, with its weights beside it where they are to be."""
    with _writing(target):
        folder = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
    with folder as name:
        if is_large(model) if external_data is None else external_data:
            with _writing(target):
                weights = f"{target.name}.data"
                ir.external_data.unload_from_model(model, name, weights, size_threshold_bytes=SMALLEST_BESIDE)
        yield Path(name) / target.name


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """What a full or forbidden disk says, said of the file that was asked for."""
    try:
        yield
    except OSError as error:
        raise ExportError(f"{target}: can't be written: {error.strerror or error}") from error


def _publish(folder: Path, target: Path) -> None:
    """Puts every file in its place, whole; the model last, so that it never stands there without its weights."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == target.name):
        path.chmod(0o644)
        path.replace(target.parent / path.name)


def _session(path: Path, target: Path) -> Session:
    try:
        return Session(path)
    except EdgeError as error:
        said = str(error).replace(str(path), str(target))
        raise ExportError(f"onnxruntime refuses the exported graph: {said}", hint=error.hint) from error


def _golden(function: Callable[..., Any] | Reference, session: Session, example: Example, dynamic: Dynamic) -> Golden:
    """The example's first rows, where its batch may vary (in every dim of that name), with what ran eagerly on them."""
    rows = {axes[0] for axes in dynamic.values() if 0 in axes}

    def first(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        cut = {dim for dim, axis in dynamic.get(name, {}).items() if axis in rows}
        return array[tuple(slice(GOLDEN_ROWS if dim in cut else None) for dim in range(array.ndim))]

    inputs = {name: first(name, array) for name, array in example.items()}
    outputs = run_eagerly(function, inputs, [spec.name for spec in session.outputs])
    atol = max(allowance(array, 1e-4, 1e-5) for array in outputs.values())
    return Golden(((inputs, outputs),), rtol=1e-3, atol=atol)


def _size(path: Path) -> int:
    return path.stat().st_size + sum(beside.stat().st_size for beside in ModelFile.open(path).data_files)
