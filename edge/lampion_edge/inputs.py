"""Checks what is passed to a model, so that errors speak of the caller's arrays and not of kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import TensorSpec
from lampion_edge.errors import InputError

if TYPE_CHECKING:
    from lampion_edge.golden import Array

# Numbers only ever move to a wider type of their own group: an image of bytes that slips into a float input
# would be wrong by a factor of 255, and nobody would notice.
_GROUPS = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "c": "complex"}


def named(specs: Sequence[TensorSpec], values: Sequence[object], by_name: Mapping[str, object]) -> dict[str, object]:
    """Positional and named arguments as one dict. Raises InputError for too many, or for one given twice."""
    if len(values) > len(specs):
        raise InputError(f"expected at most {len(specs)} inputs ({_names(specs)}), got {len(values)}")
    inputs: dict[str, object] = {spec.name: value for spec, value in zip(specs, values, strict=False)}
    if twice := inputs.keys() & by_name.keys():
        raise InputError(f"input {min(twice)!r} is given twice, by position and by name", field=min(twice))
    return {**inputs, **by_name}


def checked(specs: Sequence[TensorSpec], inputs: Mapping[str, object]) -> dict[str, Array]:
    """The inputs as arrays that the model takes.

    Arrays are cast only within their kind and only to wider types; plain Python numbers and lists have no width yet
    and become what the model wants, if it can hold them. Raises InputError.
    """
    wanted = {spec.name for spec in specs}
    for name in inputs:
        if name not in wanted:
            raise InputError(f"unknown input {name!r}, expected {_names(specs)}", field=name)
    for spec in specs:
        if spec.name not in inputs:
            raise InputError(f"input {spec.name!r} is missing, expected {spec}", field=spec.name)
    return {spec.name: _checked(spec, inputs[spec.name]) for spec in specs}


def _names(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(repr(spec.name) for spec in specs) or "none"


def _checked(spec: TensorSpec, value: object) -> Array:
    if type(value) is np.ndarray and value.dtype is _dtype(spec.dtype) and _fits(value.shape, spec.shape):
        return value  # as nearly always
    try:
        array = np.asarray(value)
    except ValueError as error:
        message = f"input {spec.name!r}: expected {spec}, got rows of unequal length"
        raise InputError(message, field=spec.name) from error
    typed = hasattr(value, "dtype") or hasattr(value, "__array__")
    converted = _text(array) if spec.dtype == "string" else numeric(array, spec.dtype, typed)
    if converted is None or not _fits(array.shape, spec.shape):
        raise _mismatch(spec, array, dtype_fits=converted is not None)
    return converted


@cache
def _dtype(name: str) -> object:
    """numpy's dtype of that name, of which there is one; None for texts and what numpy doesn't know."""
    with suppress(TypeError):
        return np.dtype(name) if name != "string" else None
    return None


def numeric(array: Array, dtype: str, typed: bool) -> Array | None:
    """The array as `dtype`, None if that would change what it says."""
    try:
        want = np.dtype(dtype)
    except TypeError:
        return array  # a type numpy has no name for: onnxruntime checks it
    if array.dtype == want or (array.size == 0 and not typed):
        return array.astype(want, copy=False)
    have, need = _GROUPS.get(array.dtype.kind), _GROUPS.get(want.kind)
    if typed:
        return array.astype(want) if have == need and np.can_cast(array.dtype, want, "safe") else None
    if have is None or (have != need and (have, need) != ("integer", "float")):
        return None
    try:
        with np.errstate(over="raise", invalid="raise"):
            cast = array.astype(want)
    except FloatingPointError:
        return None
    return cast if have == "float" or np.array_equal(cast, array) else None


def _text(array: Array) -> Array | None:
    """Texts as an array of str; UTF-8 bytes are decoded. None if it holds something else."""
    if array.dtype.kind not in "USO":
        return None
    try:
        texts = [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]
    except UnicodeDecodeError:
        return None
    if not all(isinstance(item, str) for item in texts):
        return None
    return np.array(texts, dtype=object).reshape(array.shape)


def _fits(got: tuple[int, ...], expected: tuple[int | str | None, ...]) -> bool:
    if not expected:  # onnxruntime says the same of a scalar and of an input of unknown rank
        return True
    pairs = zip(got, expected, strict=False)
    return len(got) == len(expected) and all(not isinstance(want, int) or size == want for size, want in pairs)


def _mismatch(spec: TensorSpec, array: Array, *, dtype_fits: bool) -> InputError:
    hint = None
    if not dtype_fits and array.dtype.kind in _GROUPS and spec.dtype != "string":
        hint = f"if nothing is lost by it, pass .astype({spec.dtype!r})"
    elif array.ndim + 1 == len(spec.shape) and _fits((1, *array.shape), spec.shape):
        hint = "the first axis is the batch: pass x[None] for one sample"
    got = f"{array.dtype.name.rstrip('0123456789') if array.dtype.kind in 'US' else array.dtype} {list(array.shape)}"
    return InputError(f"input {spec.name!r}: expected {spec}, got {got}", field=spec.name, hint=hint)
