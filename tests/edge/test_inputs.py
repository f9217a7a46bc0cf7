from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lampion_edge import InputError
from lampion_edge import TensorSpec as Spec
from lampion_edge.inputs import checked, named

A, B = Spec("a", "float32", ("n", 2)), Spec("b", "int64", ("n",))


def cast(value: object, dtype: str) -> Any:
    return checked([Spec("x", dtype, ())], {"x": value})["x"]


@pytest.mark.parametrize(
    ("value", "dtype", "result"),
    [
        (np.array([1, 2], np.int8), "int8", [1, 2]),
        (np.array([1, 2], ">i2"), "int16", [1, 2]),
        (np.array([1, 2], np.uint8), "int64", [1, 2]),
        (np.array([1.5], np.float16), "float32", [1.5]),
        (np.float32(1.5), "float64", 1.5),
        (np.array([True]), "bool", [True]),
        ([1, 2], "uint8", [1, 2]),
        ([1, 2], "float32", [1, 2]),
        ([0.1], "float32", [np.float32(0.1)]),
        (7, "int64", 7),
        ([True], "bool", [True]),
        ([], "int64", []),
        (["a", "bé"], "string", ["a", "bé"]),
        (np.array(["a"]), "string", ["a"]),
        (np.array([b"b\xc3\xa9"], object), "string", ["bé"]),
        (np.array([b"a"]), "string", ["a"]),
    ],
)
def test_casts_that_lose_nothing(value: object, dtype: str, result: object) -> None:
    got = cast(value, dtype)
    assert got.tolist() == np.array(result).tolist()
    assert got.dtype == (object if dtype == "string" else np.dtype(dtype))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array([1.0]), "float32"),
        (np.array([1]), "int32"),
        (np.array([1], np.uint8), "int8"),
        (np.array([1], np.uint8), "float32"),
        (np.array([1.0], np.float32), "int64"),
        (np.array([True]), "int64"),
        (np.array([], np.float64), "float32"),
        (np.array(["a"]), "int64"),
        ([1.0], "int64"),
        ([256], "uint8"),
        ([-1], "uint8"),
        ([2**24 + 1], "float32"),
        ([1e300], "float32"),
        ([1], "bool"),
        ([True], "int64"),
        (["1"], "int64"),
        ([1], "string"),
        ([b"\xff"], "string"),
        (np.array([1, "a"], object), "string"),
        ([None], "float32"),
    ],
)
def test_casts_that_would_lose(value: object, dtype: str) -> None:
    with pytest.raises(InputError, match=f"input 'x': expected {dtype}") as raised:
        cast(value, dtype)
    assert raised.value.field == "x"


@pytest.mark.parametrize("shape", [(2,), (1, 3), (1, 2, 1), (0, 3)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"input 'a': expected float32 \[n, 2\], got float32 \["):
        checked([A], {"a": np.zeros(shape, np.float32)})


@pytest.mark.parametrize("shape", [(0, 2), (1, 2), (9, 2)])
def test_shapes_that_fit(shape: tuple[int, ...]) -> None:
    assert checked([A], {"a": np.zeros(shape, np.float32)})["a"].shape == shape


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'a' is missing, expected float32 [n, 2]"),
        ({"a": [[1, 2]]}, "input 'b' is missing, expected int64 [n]"),
        ({"a": [[1, 2]], "b": [1], "c": 1}, "unknown input 'c', expected 'a', 'b'"),
        ({"a": [[1, 2], [3]], "b": [1]}, "input 'a': expected float32 [n, 2], got rows of unequal length"),
        ({"a": np.zeros((1, 2)), "b": [1]}, "input 'a': expected float32 [n, 2], got float64 [1, 2]"),
        ({"a": [["x", "y"]], "b": [1]}, "input 'a': expected float32 [n, 2], got str [1, 2]"),
    ],
)
def test_messages(inputs: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as raised:
        checked([A, B], inputs)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (np.zeros((1, 2)), "if nothing is lost by it, pass .astype('float32')"),
        (np.zeros(2, np.float32), "the first axis is the batch: pass x[None] for one sample"),
        (np.zeros((3, 3), np.float32), None),
    ],
)
def test_hints(value: object, hint: str | None) -> None:
    with pytest.raises(InputError) as raised:
        checked([A], {"a": value})
    assert raised.value.hint == hint


def test_named() -> None:
    assert named([A, B], [1], {"b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(InputError, match=r"at most 2 inputs \('a', 'b'\), got 3"):
        named([A, B], [1, 2, 3], {})
    with pytest.raises(InputError, match="'a' is given twice"):
        named([A, B], [1], {"a": 2})
