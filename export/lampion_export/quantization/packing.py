"""The quantized file: its graph, the card it inherits, golden samples with its own outputs."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Card, Golden, ModelFile, Session
from lampion_export.errors import ExportError
from lampion_export.quantization.exactness import is_exact
from lampion_export.quantization.scheme import Batch

# Where sums are left in float, another processor may round one activation the other way, which moves an output by a step or
# two; a kernel that saturates moves it by half of its size.
GOLDEN_ERROR = 0.02
GOLDEN_ROWS = 3


def golden_inputs(session: Session) -> list[Batch]:
    """The inputs of the golden samples in a file."""
    golden = session.golden
    return [dict(inputs) for inputs, _ in golden.samples] if golden else []


def packed(model: onnx.ModelProto, card: Card, inputs: list[Batch]) -> bytes:
    """The file, with golden samples of these inputs. What else the metadata says stays."""
    session = Session(model.SerializeToString(), verify_checksum=False)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    metadata.pop(METADATA_GOLDEN, None)
    if inputs:
        metadata[METADATA_GOLDEN] = _golden(session, inputs, is_exact(model)).to_json()
    graph = ModelFile.parse(model.SerializeToString(deterministic=True))
    metadata[METADATA_CARD] = replace(card, checksum=graph.graph_checksum()).to_json()
    onnx.helper.set_model_props(model, metadata)
    return model.SerializeToString(deterministic=True)


def write(path: Path, data: bytes) -> None:
    """Whole or not at all. Raises ExportError."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            draft = Path(folder) / path.name
            draft.write_bytes(data)
            draft.replace(path)
    except OSError as error:
        raise ExportError(f"{path}: can't be written: {error.strerror or error}") from error


def _golden(session: Session, inputs: list[Batch], exact: bool) -> Golden:
    samples = tuple((one, session.run(one)) for one in inputs)
    if exact:
        return Golden(samples, rtol=0.0, atol=0.0)
    floats = [np.abs(y[np.isfinite(y)]) for _, known in samples for y in known.values() if y.dtype.kind == "f"]
    atol = GOLDEN_ERROR * max((float(y.max(initial=0)) for y in floats), default=0.0)
    return Golden(samples, rtol=1e-3, atol=max(atol, 1e-5))
