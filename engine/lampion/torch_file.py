"""Reads tensors from PyTorch's .pt and .pth files without PyTorch, and without running what such a file could ask for.

A checkpoint is a pickle whose tensors point at raw storages. The unpickler below knows just the few names that a state
dict needs; any other one is refused, so no code of the file's choosing ever runs. Both formats: the zip of PyTorch 1.6
and newer, and the older stream of five pickles (https://github.com/pytorch/pytorch/blob/main/torch/serialization.py).
"""

from __future__ import annotations

import collections
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lampion.dtypes import bfloat16
from lampion.errors import LampionError

Array = np.ndarray[Any, Any]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
ZIP_MAGIC = b"PK\x03\x04"

_STORAGES = {
    "DoubleStorage": np.float64, "FloatStorage": np.float32, "HalfStorage": np.float16, "BFloat16Storage": bfloat16.numpy,
    "LongStorage": np.int64, "IntStorage": np.int32, "ShortStorage": np.int16, "CharStorage": np.int8, "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}  # fmt: skip


class WeightsError(LampionError, ValueError):
    """A file that holds no weights, or more than weights."""


def is_checkpoint(path: Path) -> bool:
    """Whether a file begins as PyTorch's formats do."""
    with path.open("rb") as file:
        start = file.read(2)
    return start == ZIP_MAGIC[:2] or (start[:1] == b"\x80" and start[1:] in (b"\x02", b"\x03", b"\x04", b"\x05"))


class _Storage:
    """Raw elements, which in the old format arrive only after the tensors that look at them."""

    def __init__(self, dtype: Any, size: int) -> None:
        self.data = np.zeros(size, dtype)


def read(path: str | Path) -> dict[str, Array]:
    """The tensors of a state dict as arrays by name; a checkpoint's "state_dict" or "model" is taken out of it.

    Raises WeightsError for a file that is no checkpoint, is damaged, or holds anything but tensors and plain containers.
    """
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        try:
            loaded = _read_zip(file) if start == ZIP_MAGIC else _read_legacy(file)
        except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error,
                zipfile.BadZipFile, MemoryError) as error:  # fmt: skip
            raise WeightsError(f"load: {path} is no readable PyTorch checkpoint: {error}") from error
    for key in ("state_dict", "model"):
        loaded = loaded.get(key, loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(loaded, dict) or not all(isinstance(v, np.ndarray) for v in loaded.values()):
        raise WeightsError(f"load: {path}: expected a state dict of tensors; save model.state_dict() with PyTorch")
    return {str(name): np.ascontiguousarray(array).reshape(array.shape) for name, array in loaded.items()}


def _read_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        [name] = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        folder = name.removesuffix("data.pkl")

        def fill(key: str, storage: _Storage) -> None:
            storage.data = np.frombuffer(archive.read(f"{folder}data/{key}"), storage.data.dtype).copy()

        return _Unpickler(io.BytesIO(archive.read(name)), fill).load()


def _read_legacy(file: BinaryIO) -> Any:
    if _Unpickler(file).load() != LEGACY_MAGIC:
        raise pickle.UnpicklingError("it does not start as one")
    for _ in ("protocol", "system"):
        _Unpickler(file).load()
    unpickler = _Unpickler(file)
    loaded = unpickler.load()
    for key in _Unpickler(file).load():
        data = unpickler.storages[key].data
        [count] = struct.unpack("<q", file.read(8))
        if count != data.size:
            raise ValueError(f"storage {key} has {count} elements, expected {data.size}")
        data[:] = np.frombuffer(file.read(data.nbytes), data.dtype)
    return loaded


class _Unpickler(pickle.Unpickler):
    """Knows the names that a state dict needs, and no others."""

    def __init__(self, file: BinaryIO, fill: Callable[[str, _Storage], None] | None = None) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}
        self.fill = fill

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NAMES:
            return _NAMES[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no state dict of plain tensors needs")

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, _, size = pid[:5]
        if key not in self.storages:
            self.storages[key] = _Storage(dtype, size if self.fill is None else 0)
            if self.fill is not None:
                self.fill(key, self.storages[key])
        return self.storages[key]


class _Tensor:
    """Stands for torch._utils._rebuild_tensor_v2: a view of the storage. Without attributes, so that no file can alter it."""

    __slots__ = ()

    def __call__(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
    ) -> Array:
        """Raises ValueError where the view would reach beyond the storage."""
        data = storage.data
        empty = 0 in size
        reach = offset if empty else offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if offset < 0 or min((*size, *stride), default=0) < 0 or (reach >= data.size and not empty):
            raise ValueError(f"a tensor of shape {list(size)} reaches beyond its storage of {data.size} elements")
        return np.lib.stride_tricks.as_strided(data[offset:], size, tuple(s * data.itemsize for s in stride))


class _Parameter:
    """Stands for torch._utils._rebuild_parameter."""

    __slots__ = ()

    def __call__(self, data: Array, *_: Any) -> Array:
        return data


_NAMES = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor(),
    ("torch._utils", "_rebuild_parameter"): _Parameter(),
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}
