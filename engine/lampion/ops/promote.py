"""Operands as Tensors of the dtype that is computed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lampion import dtypes
from lampion.dtypes import dtype
from lampion.symbolic import OPERATORS, Spec, Symbolic, SymBool, SymInt
from lampion.tape import BFLOAT16, Handle, Primitive, Value, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Op(Primitive):
    """Base of the ops that compute with numpy, which has no arithmetic for bfloat16: it is widened to float32 and the result
    rounded once, as PyTorch does. Both conversions are on the tape, so gradients and exported graphs need nothing more.
    """

    stores: ClassVar[bool] = False  # moves elements and never computes, so it takes bfloat16 as it is
    widens = True

    def __init_subclass__(cls) -> None:
        cls.widens = not (cls.view or cls.stores)

    def widened(self, *inputs: Tensor) -> Any:
        traced = any(isinstance(x._value.data, Spec) for x in inputs)
        widen = Cast(dtypes.float32, recorded=traced)
        result = self(*[widen(x) if _is_narrow(x) else x for x in inputs])
        if any(x.is_floating_point() and not _is_narrow(x) for x in inputs):
            return result
        return _each(result, lambda y: cast(y, dtypes.bfloat16) if y.dtype is dtypes.float32 else y)


def _is_narrow(x: Tensor) -> bool:
    return x._value.data.dtype is BFLOAT16


def _each(result: Any, function: Callable[[Tensor], Any]) -> Any:
    """`function` of the one output, or of each in a tuple."""
    return tuple(map(function, result)) if isinstance(result, tuple) else function(result)


class SizeValue(Op):
    """A size that varies, as an int64 scalar in the graph."""

    def __init__(self, size: SymInt) -> None:
        self.size = size

    def infer(self) -> Spec:
        return Spec((), np.int64)


class Cast(Op):
    """Converts to another dtype, as numpy's astype. `recorded` keeps it in a trace even where the numbers are known, so that
    weights lie in a file as narrow as in the model.
    """

    stores = True

    def __init__(self, to: dtype, recorded: bool = False) -> None:
        self.to, self.recorded = to, recorded

    def varies(self) -> bool:
        return self.recorded

    def forward(self, x: Any) -> Any:
        if x.dtype.kind == "c" and not self.to.is_complex:
            x = x.real
        if dtypes.kind(x.dtype) == "f" and self.to.category == dtypes.INTEGER:
            with np.errstate(invalid="ignore"):
                return x.astype(self.to.numpy)
        return x.astype(self.to.numpy)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, self.to.numpy)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (cast(g, x.dtype),)


def cast(x: Tensor, to: dtype) -> Tensor:
    """`x` in dtype `to`; `x` itself if it has it."""
    if x._value.data.dtype == to.numpy:
        return x
    result: Tensor = Cast(to)(x)
    return result


def as_tensor(x: Any, to: dtype | None = None) -> Tensor:
    """A Tensor from a Tensor, a Python number, a size, a numpy array or nested lists. Copies only to convert."""
    if isinstance(x, Handle):
        return x if to is None else cast(x, to)  # type: ignore[return-value, arg-type]
    if isinstance(x, Symbolic):
        return cast(_number(x), to or _python_dtype(x))
    kind = to or (dtypes.of_python(type(x)) if isinstance(x, bool | int | float | complex) else None)
    if kind is None and not isinstance(x, np.ndarray | np.generic):
        x = np.asarray(x)
        kind = dtypes.of_python(float) if x.dtype == np.float64 else dtypes.of(x.dtype)
    return wrap(Value(np.asarray(x, dtype=kind.numpy if kind else None)))


def _python_dtype(x: Symbolic) -> dtype:
    return dtypes.of_python(int if isinstance(x, SymInt) else bool if isinstance(x, SymBool) else float)


def _number(x: Any) -> Tensor:
    """A Python number that is not known while tracing, as a Tensor without dims."""
    if isinstance(x, SymInt):
        return wrap(x.source) if x.source is not None else SizeValue(x)()
    if not isinstance(x, SymBool):
        return x.tensor
    if x.op == "is":
        return x.left if x.right else x.left.logical_not()
    return OPERATORS[x.op](as_tensor(x.left), as_tensor(x.right))


def promoted(*operands: Any, floating: bool = False) -> list[Tensor]:
    """The operands as Tensors of their common dtype by PyTorch's rule; with `floating` at least the default float."""
    if len(operands) == 2:
        pair = _alike(*operands)
        if pair is not None:
            return pair
    kinds = [x._value.data.dtype if isinstance(x, Handle) else None for x in operands]
    first = kinds[0]
    if first is not None and all([k is first for k in kinds]) and (not floating or dtypes.kind(first) in "fc"):
        return list(operands)
    common = result_dtype(*operands)
    if floating and common.category < dtypes.FLOAT:
        common = dtypes.get_default_dtype()
    return [as_tensor(x, common) for x in operands]


def _alike(x: Any, y: Any) -> list[Tensor] | None:
    """Two Tensors of one floating point dtype, or one and a number, which takes its dtype; None for anything else."""
    if isinstance(x, Handle):
        kind = x._value.data.dtype
        if kind.kind != "f":
            return None
        if isinstance(y, Handle):
            return [x, y] if y._value.data.dtype is kind else None  # type: ignore[list-item]
        return [x, wrap(Value(np.array(y, kind)))] if type(y) in (float, int) else None  # type: ignore[list-item]
    if isinstance(y, Handle) and type(x) in (float, int):
        kind = y._value.data.dtype
        return [wrap(Value(np.array(x, kind))), y] if kind.kind == "f" else None  # type: ignore[list-item]
    return None


def result_dtype(*operands: Any) -> dtype:
    """The common dtype of tensors and numbers by PyTorch's rule."""
    return dtypes.result_type(tuple([_ranked(x) for x in operands]))


def _ranked(x: Any) -> tuple[int, dtype]:
    if isinstance(x, Handle):
        data = x._value.data
        return (2 if data.ndim else 1), dtypes.of(data.dtype)
    if isinstance(x, Symbolic):
        return 0, _python_dtype(x)
    if isinstance(x, bool | int | float | complex):
        return 0, dtypes.of_python(type(x))
    if isinstance(x, np.ndarray | np.generic):
        return (2 if x.ndim else 1), dtypes.of(x.dtype)
    raise TypeError(f"expected a Tensor or a number, got {type(x).__name__}")


def to_dtype(input: Tensor, kind: Any) -> Tensor:
    """`input` converted to a dtype."""
    return cast(input, dtypes.of(kind))
