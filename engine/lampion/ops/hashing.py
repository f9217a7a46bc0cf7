"""A number that tells tensors apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.dims import axes
from lampion.ops.promote import cast
from lampion.ops.reduce import Dim, Reduction
from lampion.symbolic import Spec

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Hash(Reduction):
    """The bits of elements of 8 bytes over `dims`, combined by exclusive or: uint64."""

    def forward(self, x: Any) -> Any:
        bits = np.ascontiguousarray(x).reshape(x.shape).view(np.uint64)
        reduce: Any = np.bitwise_xor.reduce  # whose stub wants a constant as keepdims
        return reduce(bits, axis=self.dims, keepdims=self.keepdim)

    def infer(self, x: Any) -> Spec:
        return Spec(self.reduced(x.shape, self.keepdim), np.uint64)


def hash_tensor(input: Tensor, dim: Dim = None, *, keepdim: bool = False, mode: int = 0) -> Tensor:
    """The bits of all elements, as float64 or int64, combined by exclusive or over `dim` (all if None): uint64.

    Raises RuntimeError for complex numbers, and for a `mode` other than 0.
    """
    if mode != 0 or input.dtype.is_complex:
        raise RuntimeError(
            f"hash_tensor: expected mode 0 and numbers that are not complex, got {mode} and {input.dtype}"
        )
    wide = dtypes.float64 if input.dtype.is_floating_point else dtypes.int64
    x = input if input.dtype is dtypes.uint64 else cast(input, wide)
    return Hash(axes(dim, input.ndim, "hash_tensor"), keepdim)(x)
