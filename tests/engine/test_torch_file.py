"""PyTorch's files, read without PyTorch: good ones written here byte by byte, bad ones refused in one sentence."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.torch_file import LEGACY_MAGIC, WeightsError

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


class Global:
    """Pickles as a name of another module, without that module being there."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """Pickles as a call of a Global."""

    def __init__(self, function: Global, *args: Any) -> None:
        self.function, self.args = function, args


class Storage:
    """Pickles as a persistent id."""

    def __init__(self, key: str, size: int, kind: str = "FloatStorage") -> None:
        self.key, self.size, self.kind = key, size, kind


class Writer(pickle._Pickler):  # type: ignore[misc] # the Python one, whose opcodes can be written by hand
    def persistent_id(self, obj: Any) -> Any:
        return ("storage", Global("torch", obj.kind), obj.key, "cpu", obj.size) if isinstance(obj, Storage) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.args)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def pickled(obj: Any) -> bytes:
    file = io.BytesIO()
    Writer(file, 2).dump(obj)
    return file.getvalue()


def tensor(size: tuple[int, ...] = (2, 3), stride: tuple[int, ...] = (3, 1), offset: int = 0, count: int = 6) -> Call:
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), Storage("0", count), offset, size, stride, False, {})


def zipped(state: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights/data.pkl", pickled(state))
        archive.writestr("weights/data/0", WEIGHT.tobytes())
    return file.getvalue()


def legacy(state: Any, count: int = 6) -> bytes:
    parts = [pickled(part) for part in (LEGACY_MAGIC, 1001, {}, state, ["0"])]
    return b"".join(parts) + struct.pack("<q", count) + WEIGHT.tobytes()


@pytest.mark.parametrize("write", [zipped, legacy])
@pytest.mark.parametrize(
    ("state", "want"),
    [
        ({"w": tensor()}, WEIGHT),
        ({"w": tensor((3, 2), (1, 3))}, WEIGHT.T),
        ({"w": tensor((3,), (1,), 3)}, WEIGHT[1]),
        ({"w": Call(Global("torch._utils", "_rebuild_parameter"), tensor(), True, {})}, WEIGHT),
        ({"epoch": 3, "state_dict": {"w": tensor()}}, WEIGHT),
    ],
    ids=["plain", "transposed", "offset", "parameter", "checkpoint"],
)
def test_tensors_are_read_as_they_were_laid_out(write: Any, state: Any, want: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(write(state))
    loaded = lampion.load(path)
    np.testing.assert_array_equal(loaded["w"].numpy(), want)


EVIL = Call(Global("os", "system"), "touch ran")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"w": EVIL}), "it asks for os.system"),
        (legacy({"w": EVIL}), "it asks for os.system"),
        (pickled(EVIL), "it asks for os.system"),
        (zipped({"w": Call(Global("builtins", "eval"), "1")}), "it asks for builtins.eval"),
        (zipped({"w": tensor((4, 3))}), "reaches beyond its storage"),
        (zipped({"w": tensor(offset=-1)}), "reaches beyond its storage"),
        (zipped({"w": tensor(stride=(-3, 1))}), "reaches beyond its storage"),
        (zipped({"w": 3}), "expected a state dict of tensors"),
        (zipped([tensor()]), "expected a state dict of tensors"),
        (legacy({"w": tensor()}, count=7), "has 7 elements, expected 6"),
        (legacy({"w": tensor()})[:-5], "no readable PyTorch checkpoint"),
        (zipped({"w": tensor()})[:-5], "no readable PyTorch checkpoint"),
        (pickled(1), "does not start as one"),
        (b"PK\x03\x04", "no readable PyTorch checkpoint"),
        (b"\x80\x02", "no readable PyTorch checkpoint"),
    ],
)
def test_anything_else_is_refused_and_nothing_runs(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        lampion.load(path)
    assert os.listdir(tmp_path) == ["weights.pth"]
