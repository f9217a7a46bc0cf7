"""The protocol's model configuration: what a model takes and how it runs, in the words of Triton's `config.pbtxt`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lampion_edge import Card, TensorSpec
from lampion_server.datatypes import PROTOCOL_NAMES


def model_config(
    platform: str, card: Card, name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], rows: int
) -> dict[str, Any]:
    """The configuration as JSON; `rows` is the most that are computed together, 0 where requests can't share a batch.

    With a batch, `dims` leave its axis out, as Triton has it.
    """
    return {
        "name": name,
        "platform": platform,
        "backend": "onnxruntime",
        "max_batch_size": rows,
        "input": [_tensor(spec, rows) for spec in inputs],
        "output": [_tensor(spec, rows) for spec in outputs],
        "instance_group": [{"name": name, "kind": "KIND_CPU", "count": 1}],
        "default_model_filename": "model.onnx",
        "parameters": {"task": {"string_value": card.task}},
    } | ({"dynamic_batching": {"max_queue_delay_microseconds": 0}} if rows else {})


def _tensor(spec: TensorSpec, rows: int) -> dict[str, Any]:
    dims = [size if isinstance(size, int) else -1 for size in spec.shape]
    datatype = PROTOCOL_NAMES.get(spec.dtype, "INVALID")
    kind = "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"
    return {"name": spec.name, "data_type": kind, "dims": dims[1:] if rows else dims}
