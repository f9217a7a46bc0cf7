"""Saving weights as safetensors and loading them, or PyTorch's: arrays and their names, nothing that could run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lampion import torch_file
from lampion.ops.create import new
from lampion.tensor import Tensor
from lampion.torch_file import WeightsError


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
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise WeightsError(f"load: {path} is no safetensors file ({error})") from error
