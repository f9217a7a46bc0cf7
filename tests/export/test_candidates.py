"""Inputs made from inputs: what is kept, what is covered, and that nothing leaves what the dtype or the example can hold."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lampion_export.candidates import between, constants, mutated, noise, resized, variants

RNG = np.random.default_rng(0)
ARRAYS = {
    "float32": RNG.standard_normal((3, 4)).astype(np.float32),
    "float16": RNG.standard_normal(5).astype(np.float16),
    "bfloat16": RNG.standard_normal(5).astype(ml_dtypes.bfloat16),
    "float64 scalar": np.array(2.5),
    "nothing but nan": np.array([np.nan, np.inf], np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "uint8": RNG.integers(0, 256, (2, 3), dtype=np.uint8),
    "int64 far": np.array([-(2**62), 2**62]),
    "empty int32": np.zeros((2, 0), np.int32),
    "bool": RNG.random((2, 3)) < 0.5,
    "complex64": (RNG.standard_normal(3) + 1j).astype(np.complex64),
    "text": np.array(["a", "b", "c"], object),
}
NUMBERS = [-1e30, -3.0, 0.25, 300.0, 1e9]


@pytest.mark.parametrize("a", ARRAYS.values(), ids=ARRAYS)
def test_dtype_and_shape_stay(a: Any) -> None:
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        made = [noise(a, a.shape, rng), between(a, a, rng)]
        made += [array for _, array in (*constants(a, NUMBERS), *variants(a))]
        made += [mutated(a, a, NUMBERS, rng) for _ in range(50)]
    assert {(array.dtype, array.shape) for array in made} == {(a.dtype, a.shape)}


@pytest.mark.parametrize("name", ["float32", "uint8", "bool"])
def test_an_array_is_never_changed_in_place(name: str) -> None:
    a, before = ARRAYS[name], ARRAYS[name].copy()
    rng = np.random.default_rng(1)
    for array in [array for _, array in (*constants(a, NUMBERS), *variants(a))]:
        array[...] = 0
    for _ in range(50):
        mutated(a, a, NUMBERS, rng)
    np.testing.assert_array_equal(a, before)


def test_constants_take_the_range_of_integers_and_the_numbers_of_the_graph() -> None:
    values = {int(array.flat[0]) for _, array in constants(np.array([2, 9]), [5.0, 40.0, 1e9])}
    assert values == {*range(2, 10), 0, 1, 4, 5, 6, 39, 40, 41}
    assert {float(array.flat[0]) for _, array in constants(np.zeros(2), [0.5, 1e9])} == {0.0, 1.0, -1.0, 0.5}
    assert {int(array.flat[0]) for _, array in constants(np.zeros(2, np.uint8), [-7.0, 300.0])} == {0, 1, 255}


def test_halving_ends_at_neighbours() -> None:
    rng = np.random.default_rng(1)
    a, b = np.array([-(2**62), 7]), np.array([2**62, 4])
    for _ in range(64):
        a = between(a, b, rng)
    np.testing.assert_array_equal(np.abs(b - a) <= 1, True)
    np.testing.assert_allclose(between(np.float32([1e38]), np.float32([3e38]), rng), [2e38])


def test_random_changes_reach_each_kind() -> None:
    rng = np.random.default_rng(1)
    a = np.arange(6.0)
    made = [mutated(a, a, [77.0], rng) for _ in range(200)]
    assert any(sorted(m) == sorted(a) and list(m) != list(a) for m in made), "shuffled"
    assert any(np.count_nonzero(m != a) == 1 and 77.0 in m for m in made), "one changed"
    assert any(np.abs(m).max() > 100 for m in made), "scaled"
    assert any(np.count_nonzero(m == 0) > 3 for m in made), "thinned"
    assert any(np.allclose(np.diff(m), 1) and m[0] != 0 for m in made), "shifted"


def test_sizes_change_along_axes_of_that_name_alone() -> None:
    assert resized((2, 3, 4), {0: "batch", 2: "time"}, "time", 7) == (2, 3, 7)
