"""Data types under PyTorch's names, and PyTorch's rules of type promotion."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

BOOL, INTEGER, FLOAT, COMPLEX = range(4)


def kind(elements: np.dtype[Any]) -> str:
    """numpy's letter for a kind of elements, one of "biufc"; bfloat16, which numpy takes for raw bytes ("V"), is "f"."""
    return "f" if elements.kind == "V" else elements.kind


def finfo(of: dtype) -> Any:
    """The limits of a floating point or complex dtype, as `numpy.finfo`, which does not know bfloat16."""
    return ml_dtypes.finfo(of.numpy)  # type: ignore[no-untyped-call]


class dtype:  # noqa: N801 - torch.dtype is spelt so
    """A data type: `lampion.float32` and its siblings. `numpy` is numpy's dtype of the same elements."""

    __slots__ = ("category", "name", "numpy")

    def __init__(self, name: str) -> None:
        self.name = name
        self.numpy: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name, name))
        self.category = {"b": BOOL, "u": INTEGER, "i": INTEGER, "f": FLOAT, "c": COMPLEX}[kind(self.numpy)]

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOAT

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    @property
    def itemsize(self) -> int:
        return self.numpy.itemsize

    def __repr__(self) -> str:
        return f"lampion.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return of, (self.name,)


bool_ = dtype("bool")
uint8, uint16, uint32, uint64 = dtype("uint8"), dtype("uint16"), dtype("uint32"), dtype("uint64")
int8, int16, int32, int64 = dtype("int8"), dtype("int16"), dtype("int32"), dtype("int64")
float16, bfloat16, float32, float64 = dtype("float16"), dtype("bfloat16"), dtype("float32"), dtype("float64")
complex64, complex128 = dtype("complex64"), dtype("complex128")

ALL = (
    bool_,
    uint8,
    uint16,
    uint32,
    uint64,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
    complex128,
)
_BY_NUMPY = {d.numpy: d for d in ALL}
_PYTHON = {bool: bool_, int: int64, float: float32, complex: complex64}
_default = float32


def of(kind: Any) -> dtype:
    """The `dtype` for a numpy dtype, its name, a Python number type, or a dtype itself."""
    if isinstance(kind, dtype):
        return kind
    if isinstance(kind, np.dtype) and kind in _BY_NUMPY:
        return _BY_NUMPY[kind]
    if isinstance(kind, type) and kind in _PYTHON:
        return of_python(kind)
    try:
        return _BY_NUMPY[np.dtype(kind)]
    except (KeyError, TypeError):
        raise TypeError(f"expected one of {', '.join(d.name for d in ALL)}, got {kind!r}") from None


def of_python(kind: type) -> dtype:
    """The dtype a Python number gets on its own: the default dtype for float, int64 for int."""
    if kind is float:
        return _default
    if kind is complex:
        return complex128 if _default is float64 else complex64
    return _PYTHON[kind]


def get_default_dtype() -> dtype:
    """The dtype of new floating point tensors; float32 unless set."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Sets the dtype of new floating point tensors."""
    global _default
    if not d.is_floating_point:
        raise TypeError(f"set_default_dtype: expected a floating point dtype, got {d}")
    _default = d


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype to which both convert; the higher of bool < integer < float < complex sets the kind.

    As `torch.promote_types`: unlike numpy's rule, int64 with float32 is float32.
    """
    if a is b:
        return a
    if {a, b} == {float16, bfloat16}:  # one has the digits, the other the range
        return float32
    if a.category == b.category:
        return _BY_NUMPY[np.promote_types(a.numpy, b.numpy)]
    low, high = sorted((a, b), key=lambda d: d.category)
    if high is complex64 and low is float64:
        return complex128
    return high


@cache
def result_type(ranked: tuple[tuple[int, dtype], ...]) -> dtype:
    """The common dtype of operands given as (rank, dtype): rank 2 dimensioned tensor, 1 zero-dim tensor, 0 number.

    A lower rank counts only where its category is higher than that of all higher ranks
    (https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc).
    """
    result: dtype | None = None
    for rank in (2, 1, 0):
        group = [d for r, d in ranked if r == rank]
        if not group:
            continue
        best = group[0]
        for d in group[1:]:
            best = promote_types(best, d)
        if result is None:
            result = best
        elif best.category > result.category:
            result = _lifted(result, best)
    assert result is not None
    return result


def _lifted(result: dtype, best: dtype) -> dtype:
    """`result` raised to the category of `best`; from floating point to complex the precision stays."""
    if result.category == FLOAT:
        return complex128 if result is float64 else complex64
    return promote_types(result, best)
