"""Elementwise ops: what arithmetic, comparison and analysis have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lampion import dtypes
from lampion.ops.promote import Op, promoted
from lampion.symbolic import Spec, broadcast_shapes, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Elementwise(Op):
    """Base: numpy's function of the same meaning, broadcasting, the dtype of the inputs."""

    function: ClassVar[Callable[..., Any]]
    kinds: ClassVar[str] = "biufc"  # the kinds of dtype that it takes, as numpy calls them

    def forward(self, *arrays: Any) -> Any:
        return type(self).function(*arrays)

    def infer(self, *inputs: Any) -> Spec:
        return Spec(broadcast_shapes(*[x.shape for x in inputs]), inputs[0].dtype)


def unbroadcast(g: Tensor, like: Tensor) -> Tensor:
    """Sums `g` over the axes along which `like` was broadcast to it."""
    mine, theirs = g._value.data, like._value.data
    if type(mine) is np.ndarray and type(theirs) is np.ndarray and mine.shape == theirs.shape:
        return g
    shape = like.shape
    if len(shape) == g.ndim and all(map(same, g.shape, shape)):
        return g
    extra = g.ndim - len(shape)
    dims = [*range(extra), *(extra + i for i, n in enumerate(shape) if same(n, 1) and not same(g.shape[extra + i], 1))]
    if len(dims) == extra:
        return g.sum(dims) if dims else g
    return g.sum(dims, keepdim=True).reshape(shape)


def checked(op: Elementwise, operands: list[Tensor]) -> list[Tensor]:
    """`operands`, if `op` takes their dtype. Raises NotImplementedError (a RuntimeError) if not."""
    kind = operands[0]._value.data.dtype
    if dtypes.kind(kind) not in op.kinds:
        raise NotImplementedError(
            f"{type(op).__name__.lower()}: not implemented for {kind} tensors; convert with .to() first"
        )
    return operands


def unary(op: Elementwise, *, floating: bool = True, doc: str = "") -> Callable[[Tensor], Tensor]:
    """The function of one tensor for `op`; with `floating` an integer input is converted to the default float."""

    def function(input: Tensor) -> Tensor:
        return op(*checked(op, promoted(input, floating=floating)))

    function.__name__ = function.__qualname__ = type(op).__name__.lower()
    function.__doc__ = doc or type(op).__doc__
    return function


def binary(op: Elementwise, *, floating: bool = False, name: str = "") -> Callable[[Any, Any], Tensor]:
    """The function of two operands for `op`, either of which may be a number."""

    def function(input: Any, other: Any) -> Tensor:
        return op(*checked(op, promoted(input, other, floating=floating)))

    function.__name__ = function.__qualname__ = name or type(op).__name__.lower()
    function.__doc__ = type(op).__doc__
    return function
