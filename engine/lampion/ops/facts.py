"""What a tensor is, and what dtypes become of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion import dtypes
from lampion.ops.promote import result_dtype

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def numel(input: Tensor) -> Any:
    """The number of elements."""
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating point numbers."""
    return input.is_floating_point()


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.is_signed()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is other than 0. Raises RuntimeError for several."""
    return input.is_nonzero()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.is_same_size(other)


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The dtype of an arithmetic result of two operands, either of which may be a number."""
    return result_dtype(tensor1, tensor2)


def can_cast(from_: dtypes.dtype, to: dtypes.dtype) -> bool:
    """Whether a result of dtype `from_` may be put into a tensor of dtype `to`: not into a lower kind."""
    signed = from_.numpy.kind != "i" or to.numpy.kind != "u"
    return from_.category <= to.category and (signed or from_.category < to.category)
