"""Saving and loading: round trips, foreign dtypes, and files of another kind."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import dtypes, nn
from lampion.torch_file import WeightsError


@pytest.mark.parametrize("kind", [d for d in dtypes.ALL if not d.is_complex], ids=str)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 4)])
def test_round_trip(tmp_path: Path, kind: Any, shape: tuple[int, ...]) -> None:
    x = lampion.ones(*shape, dtype=kind)
    lampion.save({"a.b": x, "c": x.numpy()}, tmp_path / "w.safetensors", {"made by": "a test"})
    back = lampion.load(tmp_path / "w.safetensors")
    assert list(back) == ["a.b", "c"]
    for t in back.values():
        assert (t.dtype, t.shape) == (kind, shape)
        np.testing.assert_array_equal(t.numpy(), x.numpy())


def test_a_model_round_trip_by_text_path(tmp_path: Path) -> None:
    one, two = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    one(lampion.randn(5, 3))
    lampion.save(one.state_dict(), str(tmp_path / "w"))
    two.load_state_dict(lampion.load(str(tmp_path / "w")))
    for k, t in one.state_dict().items():
        np.testing.assert_array_equal(two.state_dict()[k].numpy(), t.numpy())


def test_views_are_saved_as_they_look(tmp_path: Path) -> None:
    x = lampion.arange(6).reshape(2, 3)
    lampion.save({"t": x.t(), "column": x[:, 1]}, tmp_path / "w")
    back = lampion.load(tmp_path / "w")
    assert (back["t"].tolist(), back["column"].tolist()) == ([[0, 3], [1, 4], [2, 5]], [1, 4])


def test_what_was_loaded_can_be_changed_in_place(tmp_path: Path) -> None:
    lampion.save({"x": lampion.zeros(2)}, tmp_path / "w")
    assert lampion.load(tmp_path / "w")["x"].add_(1).tolist() == [1, 1]


def file(dtype: str, shape: list[int], data: bytes) -> bytes:
    header = json.dumps({"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


def test_bfloat16_of_others_is_read(tmp_path: Path) -> None:
    numbers = np.array([0.0, -1.5, 3.0, float("inf")], np.float32)
    (tmp_path / "w").write_bytes(file("BF16", [2, 2], (numbers.view(np.uint32) >> 16).astype("<u2").tobytes()))
    x = lampion.load(tmp_path / "w")["x"]
    assert x.dtype is lampion.bfloat16
    np.testing.assert_array_equal(x.float().numpy(), numbers.reshape(2, 2))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no safetensors file"),
        (b"just some text, no weights", "is no safetensors file"),
        (file("F32", [2], b"\0" * 8)[:-3], "is no safetensors file"),
        (file("F8_E4M3", [1], b"\0"), "'x' has dtype F8_E4M3, expected F64"),
        (pickle.dumps({"x": print}), "print|checkpoint|pickle"),
    ],
)
def test_other_files_are_told(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(WeightsError, match=message):
        lampion.load(tmp_path / "w")


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (nn.Linear(1, 1), r"got Linear; for a model save\(model.state_dict\(\), path\)"),
        ({"epoch": 3}, "got int under 'epoch'; save numbers as tensors"),
        ({1: lampion.zeros(1)}, "expected Tensors under texts"),
    ],
)
def test_what_cannot_be_saved_is_told(tmp_path: Path, obj: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        lampion.save(obj, tmp_path / "w")
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="load: no such file"):
        lampion.load(tmp_path / "nothing")
