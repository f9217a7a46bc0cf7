"""Tensors that a Module owns."""

from __future__ import annotations

from typing import Any, ClassVar

from lampion.ops.create import empty
from lampion.symbolic import Shape
from lampion.tape import Value
from lampion.tensor import Tensor


class Parameter(Tensor):
    """A Tensor that is learned: assigned to an attribute of a Module it appears among `parameters()`.

    It shares memory with `data`. Raises RuntimeError for a gradient of anything but floating point and complex numbers.
    """

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        source = data.detach()._value
        self._value = Value(source.data)
        self._value.version = source.version
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class _Shapeless(Tensor):
    """Base: a Tensor whose shape is not known before `materialize`; it stays the same object."""

    becomes: ClassVar[type[Tensor]]

    def materialize(self, shape: Shape) -> None:
        """Gives it a shape, with zeros in it, and its class."""
        self._value = Value(empty(*shape, dtype=self.dtype)._value.data, self.requires_grad)
        object.__setattr__(self, "__class__", self.becomes)


class UninitializedParameter(_Shapeless, Parameter):
    """A Parameter whose shape the first input decides."""

    becomes: ClassVar[type[Tensor]] = Parameter

    def __init__(self, requires_grad: bool = True, dtype: Any = None) -> None:
        super().__init__(empty(0, dtype=dtype), requires_grad)


class UninitializedBuffer(_Shapeless):
    """A buffer whose shape the first input decides."""

    becomes: ClassVar[type[Tensor]] = Tensor

    def __init__(self, dtype: Any = None) -> None:
        self._value = Value(empty(0, dtype=dtype)._value.data)
