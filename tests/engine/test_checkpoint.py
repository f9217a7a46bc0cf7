"""Nested states in safetensors files."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.checkpoint import load_checkpoint, save_checkpoint
from lampion.torch_file import WeightsError

PLAIN = [
    None, True, 3, 0.1, math.inf, 1e-300, "text", "a.b", [], (), {}, [1, [2.5, (None, "x")]], {"a": {1: (True,)}, None: [{}]},
    {"tuple": 1}, {"list": [{"dict": 2}]},
]  # fmt: skip


@pytest.mark.parametrize("state", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_were(tmp_path: Path, state: Any) -> None:
    save_checkpoint(state, tmp_path / "x")
    back = load_checkpoint(tmp_path / "x")
    assert (back, type(back)) == (state, type(state))


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "int64", "uint64", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)], ids=str)
def test_arrays_come_back_bit_for_bit(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).uniform(0, 100, shape).astype(kind)
    more = np.asarray(array + 1)
    state = {"a": array, "b": [lampion.tensor(array), {3: array.T}], "c.0": array, "c": [more]}
    save_checkpoint(state, tmp_path / "x")
    back = load_checkpoint(tmp_path / "x")
    assert isinstance(back["a"], np.ndarray)
    assert isinstance(back["b"][0], lampion.Tensor)
    back["b"][0].zero_()  # its own memory
    for got, want in ((back["a"], array), (back["b"][1][3], array.T), (back["c.0"], array), (back["c"][0], more)):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_the_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    save_checkpoint({"x": 1}, tmp_path / "x")
    with pytest.raises(TypeError, match=r"expected Tensors, numbers, .*, got set at 'a.0.b'"):
        save_checkpoint({"a": [{"b": {1}}]}, tmp_path / "x")
    assert load_checkpoint(tmp_path / "x") == {"x": 1}
    assert os.listdir(tmp_path) == ["x"]


def test_other_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_checkpoint(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"no safetensors")
    with pytest.raises(WeightsError, match="is no safetensors file"):
        load_checkpoint(tmp_path / "x")
    lampion.save({"w": lampion.ones(2)}, tmp_path / "x")
    with pytest.raises(WeightsError, match="holds weights but no checkpoint"):
        load_checkpoint(tmp_path / "x")


def test_the_arrays_inside_are_ordinary_safetensors(tmp_path: Path) -> None:
    save_checkpoint({"w": {"x": lampion.ones(2), "n": 1}}, tmp_path / "x")
    assert {name: t.tolist() for name, t in lampion.load(tmp_path / "x").items()} == {"w.x": [1.0, 1.0]}
