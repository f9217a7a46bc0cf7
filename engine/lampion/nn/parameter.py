"""Tensors that a Module owns."""

from __future__ import annotations

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
