"""What the protocol says of the server, of a model and of the repository, the same over REST and gRPC."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lampion_edge import TensorSpec
from lampion_server.dataplane import DataPlane, Metadata
from lampion_server.datatypes import PROTOCOL_NAMES
from lampion_server.model import Entry


def release() -> str:
    """The version of lampion that is installed."""
    try:
        return version("lampion")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"


def model_metadata(model: Metadata) -> dict[str, Any]:
    """A model's inputs and outputs."""
    return {
        "name": model.name,
        "versions": model.versions,
        "platform": model.platform,
        "inputs": [tensor_metadata(spec) for spec in model.inputs],
        "outputs": [tensor_metadata(spec) for spec in model.outputs],
    }


def tensor_metadata(spec: TensorSpec) -> dict[str, Any]:
    """An input or output; -1 for sizes that may vary."""
    shape = [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, "datatype": PROTOCOL_NAMES.get(spec.dtype, spec.dtype.upper()), "shape": shape}


def traffic(plane: DataPlane, name: str) -> dict[str, Any]:
    """Which version of a model answers, and the report of its shadow. Raises `NotFoundError`, `UnavailableError`."""
    current = plane.repository.traffic(name)
    shadow = plane.repository.get(name, current.stable).shadow
    return {**asdict(current), "report": shadow.report() if shadow else None}


def repository_line(entry: Entry) -> dict[str, Any]:
    """A line of the repository's index."""
    return {"name": entry.name, "version": entry.version, "state": entry.state, "reason": entry.reason}
