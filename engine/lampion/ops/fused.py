"""Ops that are one operator for a runtime, and many for a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion.ops.promote import Op
from lampion.tape import Array, Value, grad_mode, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Fused(Op):
    """Base of ops that are also written in plain ops, which run wherever a gradient is recorded.

    A trace without gradients keeps the op whole; the exporter writes the runtime's own operator for it, or the plain ops where
    that operator lacks something.
    """

    def plain(self, *inputs: Tensor) -> Any:
        """The same in plain ops: one Tensor, or a tuple of them."""
        raise NotImplementedError(f"{type(self).__name__} has no plain form")

    def __call__(self, *inputs: Tensor) -> Any:
        if grad_mode.enabled and any(t.requires_grad for t in inputs):
            return self.plain(*inputs)
        return super().__call__(*inputs)

    def forward(self, *arrays: Array) -> Any:
        result = self.plain(*[wrap(Value(a)) for a in arrays])
        return tuple(t._value.data for t in result) if isinstance(result, tuple) else result._value.data
