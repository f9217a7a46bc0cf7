"""New tensors of the dtype of one that is there, and its copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion import dtypes
from lampion.ops import create
from lampion.ops.promote import as_tensor
from lampion.ops.shape import sizes

if TYPE_CHECKING:
    from lampion.tensor import Tensor


@create.dense
def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`lampion.tensor` in the dtype of `input`."""
    return create.tensor(data, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@create.dense
def new_full(
    input: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`lampion.full` in the dtype of `input`."""
    return create.full(size, fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@create.dense
def new_zeros(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`lampion.zeros` in the dtype of `input`."""
    return new_full(input, sizes(size), 0, dtype=dtype, device=device, requires_grad=requires_grad)


@create.dense
def new_ones(input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`lampion.ones` in the dtype of `input`."""
    return new_full(input, sizes(size), 1, dtype=dtype, device=device, requires_grad=requires_grad)


new_empty = new_zeros


@create.dense
def new_empty_strided(input: Tensor, size: Any, stride: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`lampion.empty_strided` in the dtype of `input`."""
    return create.empty_strided(size, stride, dtype=dtype or input.dtype, device=device)


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like `input` with one number everywhere. Raises RuntimeError for a value with dims."""
    filling = as_tensor(value, input.dtype)
    if filling.ndim:
        raise RuntimeError(f"fill: expected a number or a tensor without dims, got shape {list(filling.shape)}")
    if input.requires_grad:
        return input.masked_fill(create.ones_like(input, dtype=dtypes.bool_), filling)
    return filling.expand(input.shape).clone()


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy that passes gradients through."""
    return input.clone(memory_format=memory_format)


def detach(input: Tensor) -> Tensor:
    """The same memory, off the tape."""
    return input.detach()
