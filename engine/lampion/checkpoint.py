"""A nested state, tensors and plain values, in one safetensors file: what a run needs to go on from where it stood."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lampion.ops.create import new
from lampion.serialization import load, save
from lampion.tensor import Tensor
from lampion.torch_file import WeightsError

_KEY = "lampion.checkpoint"
_PLAIN = (bool, int, float, str, type(None))


def save_checkpoint(state: Any, f: str | os.PathLike[str]) -> None:
    """Writes Tensors, arrays, numbers, texts and None in dicts, lists and tuples, nested at will.

    The arrays are safetensors; JSON in their header says where they belong. The file is written beside and then put in place,
    so that what is under this name is always whole. Raises TypeError for other kinds of values.
    """
    path, arrays = Path(f), dict[str, Any]()
    tree = json.dumps(_packed(state, "", arrays))
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save(arrays, beside, {_KEY: tree})
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load_checkpoint(f: str | os.PathLike[str]) -> Any:
    """The state that `save_checkpoint` wrote. Never runs code from the file.

    Raises FileNotFoundError, and WeightsError for a file of another kind.
    """
    from safetensors import safe_open

    arrays = load(f)
    try:
        with safe_open(f, "np") as file:
            tree = (file.metadata() or {})[_KEY]
    except (KeyError, OSError) as error:
        raise WeightsError(
            f"load_checkpoint: {f} holds weights but no checkpoint; use lampion.load for them"
        ) from error
    return _unpacked(json.loads(tree), arrays)


def _packed(value: Any, place: str, arrays: dict[str, Any]) -> Any:
    """JSON for `value`: plain values as they are, all others as {kind: ...}, with arrays put aside under their place."""
    if isinstance(value, Tensor | np.ndarray):
        while place in arrays:  # {"a.b": x, "a": {"b": y}}
            place += "_"
        arrays[place] = value
        return {"tensor" if isinstance(value, Tensor) else "array": place}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_packed(v, f"{place}.{i}".lstrip("."), arrays) for i, v in enumerate(value)]}
    if isinstance(value, Mapping) and all(isinstance(k, _PLAIN) for k in value):
        return {"dict": [[k, _packed(v, f"{place}.{k}".lstrip("."), arrays)] for k, v in value.items()]}
    raise TypeError(
        f"save_checkpoint: expected Tensors, numbers, texts, lists, tuples and dicts, got {type(value).__name__} at {place!r}"
    )


def _unpacked(tree: Any, arrays: Mapping[str, Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    [(kind, value)] = tree.items()
    if kind == "tensor":
        return new(np.array(arrays[value].numpy()), False)
    if kind == "array":
        return np.array(arrays[value].numpy())
    if kind == "dict":
        return {k: _unpacked(v, arrays) for k, v in value}
    items = [_unpacked(v, arrays) for v in value]
    return items if kind == "list" else tuple(items)
