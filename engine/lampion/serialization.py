"""Saving weights as safetensors and loading them, or PyTorch's: arrays and their names, nothing that could run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lampion import torch_file
from lampion.dtypes import bfloat16
from lampion.ops.create import new
from lampion.tensor import Tensor
from lampion.torch_file import WeightsError

_KINDS: dict[str, Any] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": bfloat16.numpy, "BOOL": "?", "U8": "u1", "I8": "i1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "U64": "<u8", "U32": "<u4", "U16": "<u2",
}  # fmt: skip


def save(obj: Mapping[str, Any], f: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Writes a state dict (names to Tensors or arrays) to `f` as safetensors.

    Raises TypeError for anything but a flat dict of tensors under texts.
    """
    if not isinstance(obj, Mapping):
        raise TypeError(
            f"save: expected a dict of Tensors, got {type(obj).__name__}; for a model save(model.state_dict(), path)"
        )
    wrong = [k for k, t in obj.items() if not isinstance(k, str) or not isinstance(t, Tensor | np.ndarray)]
    if wrong:
        kind = type(obj[wrong[0]]).__name__
        raise TypeError(f"save: expected Tensors under texts, got {kind} under {wrong[0]!r}; save numbers as tensors")
    from safetensors.numpy import save_file

    arrays = {k: np.asarray(t.detach().numpy() if isinstance(t, Tensor) else t, order="C") for k, t in obj.items()}
    save_file(arrays, f, metadata=None if metadata is None else dict(metadata))


def load(f: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Reads a state dict from `f`: safetensors, or a .pt or .pth file of PyTorch. Never runs code from the file.

    Raises FileNotFoundError, and WeightsError for a file of another kind or one that holds more than plain tensors.
    """
    path = Path(f)
    if not path.is_file():
        raise FileNotFoundError(f"load: no such file: {path}")
    arrays = torch_file.read(path) if torch_file.is_checkpoint(path) else _read_safetensors(path)
    return {k: new(array, False) for k, array in arrays.items()}


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise WeightsError(f"load: {path} is no safetensors file ({error})") from error
    return {name: _array(path, name, entry) for name, entry in sorted(entries, key=lambda pair: pair[0])}


def _array(path: Path, name: str, entry: dict[str, Any]) -> Any:
    """The array of one entry."""
    if entry["dtype"] not in _KINDS:
        raise WeightsError(f"load: {path}: {name!r} has dtype {entry['dtype']}, expected {', '.join(_KINDS)}")
    return np.frombuffer(entry["data"], _KINDS[entry["dtype"]]).reshape(entry["shape"])
