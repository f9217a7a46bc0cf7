"""Saving and loading weights as safetensors: arrays and their names, nothing that could run."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lampion.errors import LampionError
from lampion.ops.create import new
from lampion.tensor import Tensor

_CONVERT = (
    "convert it where PyTorch is installed: "
    "safetensors.torch.save_file(torch.load(path, weights_only=True), 'weights.safetensors')"
)


class WeightsError(LampionError, ValueError):
    """A file that holds no weights as safetensors."""


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
    """Reads the state dict that `save`, or any other writer of safetensors, wrote to `f`. Never runs code from the file.

    Raises FileNotFoundError, and WeightsError for a file of another kind, with the way to convert it.
    """
    path = Path(f)
    if not path.is_file():
        raise FileNotFoundError(f"load: no such file: {path}")
    _refuse_pickles(path)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise WeightsError(f"load: {path} is no safetensors file ({error})") from error
    return {k: new(array, False) for k, array in arrays.items()}


def _refuse_pickles(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(2)
    if zipfile.is_zipfile(path):
        raise WeightsError(f"load: {path} is a PyTorch checkpoint, which runs code when it is read; {_CONVERT}")
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        raise WeightsError(f"load: {path} is a pickle, which runs code when it is read; {_CONVERT}")
