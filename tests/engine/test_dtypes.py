"""Data types under PyTorch's names. The full comparison of promotion with PyTorch is in tests/oracle/test_ops.py."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import lampion
from lampion import dtypes


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        ("int64", "float32", "float32"), ("uint8", "int8", "int16"), ("bool", "uint8", "uint8"),
        ("float16", "int64", "float16"), ("bfloat16", "int64", "bfloat16"), ("bfloat16", "float16", "float32"),
        ("float32", "float64", "float64"), ("float64", "complex64", "complex128"), ("int32", "complex64", "complex64"),
        ("bool", "bool", "bool"),
    ],
)  # fmt: skip
def test_promote_types_goes_both_ways(a: str, b: str, result: str) -> None:
    assert dtypes.promote_types(dtypes.of(a), dtypes.of(b)) is dtypes.of(result)
    assert dtypes.promote_types(dtypes.of(b), dtypes.of(a)) is dtypes.of(result)


@pytest.mark.parametrize(
    ("operands", "result"),
    [
        (("int32[]", "int64"), "int64"), (("int32", "int64[]"), "int32"), (("int64", "float64[]"), "float64"),
        (("float32", "float64[]"), "float32"),
        (("int64", 1.5), "float32"), (("float16", 1.5), "float16"), (("bfloat16", 1.5), "bfloat16"),
        (("uint8", 1), "uint8"), (("bool", 1), "int64"),
        (("bool", True), "bool"), (("float64", 1j), "complex128"), (("float32", "complex128[]"), "complex64"),
        (("int64[]", 1.5), "float32"),
    ],
)  # fmt: skip
def test_zero_dim_tensors_and_numbers_give_way(operands: tuple[Any, ...], result: str) -> None:
    x, y = (
        lampion.ones(() if o.endswith("[]") else (2,), dtype=dtypes.of(o.removesuffix("[]")))
        if isinstance(o, str)
        else o
        for o in operands
    )
    assert (x + y).dtype.name == result


def test_names_reprs_and_kinds() -> None:
    for d in dtypes.ALL:
        assert dtypes.of(d.name) is dtypes.of(d.numpy) is dtypes.of(d) is d
        assert pickle.loads(pickle.dumps(d)) is d
        assert repr(d) == f"lampion.{d.name}"
        assert d.itemsize == d.numpy.itemsize
    assert [d.name for d in dtypes.ALL if d.is_floating_point] == ["float16", "bfloat16", "float32", "float64"]
    assert [d.name for d in dtypes.ALL if d.is_complex] == ["complex64", "complex128"]
    assert (dtypes.of(bool).name, dtypes.of(int).name, dtypes.of(float).name) == ("bool", "int64", "float32")


@pytest.mark.parametrize("kind", ["float8", "U3", object, None.__class__, "datetime64"])
def test_other_types_are_refused_by_name(kind: Any) -> None:
    with pytest.raises(TypeError, match="expected one of bool, uint8"):
        dtypes.of(kind)


def test_the_default_dtype_decides_over_new_floats() -> None:
    lampion.set_default_dtype(lampion.float64)
    try:
        assert lampion.get_default_dtype() is lampion.float64
        assert [x.dtype.name for x in (lampion.ones(1), lampion.tensor(1.5), lampion.arange(2) / 2, lampion.tensor(1j))] == [
            "float64", "float64", "float64", "complex128",
        ]  # fmt: skip
    finally:
        lampion.set_default_dtype(lampion.float32)
    assert lampion.ones(1).dtype is lampion.float32
