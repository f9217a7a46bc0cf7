"""bfloat16 in and out of onnxruntime, which takes numpy arrays of every type but this one, since numpy has none."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion_edge.errors import ModelError

if TYPE_CHECKING:
    from lampion_edge.golden import Array

_ONNX_CODE = 16  # TensorProto.BFLOAT16


def numpy_dtype(model: str) -> np.dtype[Any]:
    """The dtype that `ml_dtypes` adds to numpy. Raises ModelError where that package isn't installed."""
    try:
        import ml_dtypes
    except ImportError as error:
        message = f"{model}: its inputs or outputs are bfloat16, for which numpy needs the package ml_dtypes"
        raise ModelError(message, hint="pip install 'lampion-edge[bfloat16]'") from error
    return np.dtype(ml_dtypes.bfloat16)


def run(session: Any, names: Sequence[str], feeds: Mapping[str, Array], dtype: np.dtype[Any]) -> list[Array]:
    """As `session.run`, by way of onnxruntime's own values; bfloat16 arrays have the dtype of `numpy_dtype`."""
    from onnxruntime import OrtValue  # type: ignore[import-untyped]

    values = {name: _value(OrtValue, array, dtype) for name, array in feeds.items()}
    return [_array(value, dtype) for value in session.run_with_ort_values(list(names), values)]


def _value(kind: Any, array: Array, dtype: np.dtype[Any]) -> Any:
    if array.dtype != dtype:
        return kind.ortvalue_from_numpy(array)
    bits = np.ascontiguousarray(array).view(np.uint16)
    return kind.ortvalue_from_numpy_with_onnx_type(bits, _ONNX_CODE)


def _array(value: Any, dtype: np.dtype[Any]) -> Array:
    if value.data_type() != "tensor(bfloat16)":
        array: Array = value.numpy()
        return array
    size = value.tensor_size_in_bytes()  # the pointer of an empty tensor may be null
    return np.frombuffer(ctypes.string_at(value.data_ptr(), size) if size else b"", dtype).reshape(value.shape())
