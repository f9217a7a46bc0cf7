"""`SymFloat`: a Python float that is not known while tracing, and how Python numbers come of traced Tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lampion import dtypes
from lampion.errors import UntraceableError
from lampion.ops.promote import as_tensor
from lampion.symbolic import Symbolic, SymBool, SymInt

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class SymFloat(Symbolic):
    """A float that is not known while tracing, such as `x.mean().item()`.

    Computes in float64, as Python does, and takes part in promotion as a Python float. `tensor` is float64 without dims.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @staticmethod
    def of(x: Any) -> SymFloat:
        """Any Python number, or the one element of a Tensor."""
        return x if isinstance(x, SymFloat) else SymFloat(as_tensor(x, dtypes.float64).reshape(()))

    def __bool__(self) -> bool:
        return bool(self != SymFloat.of(0.0))

    def __float__(self) -> float:
        raise UntraceableError(
            "this float depends on the data, so it has no Python value while tracing",
            "arithmetic, comparisons and lampion's functions take it as it is",
        )

    __int__ = __index__ = __float__

    def __neg__(self) -> SymFloat:
        return SymFloat(-self.tensor)

    def __pos__(self) -> SymFloat:
        return self

    def __abs__(self) -> SymFloat:
        return SymFloat(self.tensor.abs())

    def __round__(self, digits: int | None = None) -> Any:
        return self._whole(self.tensor.round()) if digits is None else SymFloat(self.tensor.round(decimals=digits))

    def __floor__(self) -> SymInt:
        return self._whole(self.tensor.floor())

    def __ceil__(self) -> SymInt:
        return self._whole(self.tensor.ceil())

    def __trunc__(self) -> SymInt:
        return self._whole(self.tensor.trunc())

    def is_integer(self) -> SymBool:
        """Whether it is a whole number."""
        return SymBool("is", self.tensor == self.tensor.floor())

    def _whole(self, tensor: Tensor) -> SymInt:
        return SymInt.element(as_tensor(tensor, dtypes.int64)._value)

    def __repr__(self) -> str:
        return "a traced float"

    __hash__ = object.__hash__


def _arithmetic(op: Callable[[Any, Any], Any], reflected: bool = False) -> Callable[[SymFloat, Any], Any]:
    def method(self: SymFloat, other: Any) -> Any:
        if not isinstance(other, bool | int | float | Symbolic):
            return NotImplemented
        a, b = (other, self) if reflected else (self, other)
        return SymFloat(op(SymFloat.of(a).tensor, SymFloat.of(b).tensor))

    return method


def _comparison(op: Callable[[Any, Any], Any]) -> Callable[[SymFloat, Any], Any]:
    def method(self: SymFloat, other: Any) -> Any:
        if not isinstance(other, bool | int | float | Symbolic):
            return NotImplemented
        return SymBool("is", op(self.tensor, SymFloat.of(other).tensor))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(SymFloat, f"__{_name}__", _arithmetic(getattr(operator, _name)))
    setattr(SymFloat, f"__r{_name}__", _arithmetic(getattr(operator, _name), reflected=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(SymFloat, f"__{_name}__", _comparison(getattr(operator, _name)))


def python_number(x: Tensor) -> Symbolic:
    """What `x.item()` is while tracing: the one element as a Python number that is not known yet."""
    if x.dtype is dtypes.bool_:
        return SymBool("is", x.reshape(()))
    if x.dtype.category == dtypes.INTEGER:
        return SymInt.element(as_tensor(x, dtypes.int64).reshape(())._value)
    return SymFloat.of(x)
