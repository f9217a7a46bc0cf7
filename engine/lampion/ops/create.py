"""New tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from lampion import dtypes
from lampion.layout import strided
from lampion.ops.promote import Op, as_tensor, result_dtype
from lampion.ops.shape import sizes, stack
from lampion.symbolic import Shape, Spec, Symbolic, SymInt
from lampion.tape import Handle, Value, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor


P = ParamSpec("P")
R = TypeVar("R")


def dense(make: Callable[P, R]) -> Callable[..., R]:
    """A function that makes tensors, which takes PyTorch's `layout` and `pin_memory` too.

    Raises RuntimeError for another layout than `lampion.strided`, and for memory pinned for a GPU.
    """

    @wraps(make)
    def function(*args: Any, layout: Any = None, pin_memory: bool | None = None, **kwargs: Any) -> R:
        if layout not in (None, strided):
            raise RuntimeError(f"{make.__name__}: layout {layout} is not available: lampion's tensors are dense arrays")
        if pin_memory:
            raise RuntimeError(f"{make.__name__}: pin_memory is for copies to a GPU, and there is none; leave it out")
        return make(*args, **kwargs)

    return function


class Full(Op):
    """One number in a shape that depends on sizes which vary."""

    def __init__(self, shape: Shape, value: float, kind: dtypes.dtype) -> None:
        self.shape, self.value, self.kind = shape, value, kind

    def infer(self) -> Spec:
        return Spec(self.shape, self.kind.numpy)


class Range(Op):
    """start, start + step, ... below `stop`, where some of them depend on sizes which vary; int64."""

    def __init__(self, start: Any, stop: Any, step: Any) -> None:
        self.start, self.stop, self.step = start, stop, step

    def infer(self) -> Spec:
        return Spec(((self.stop - self.start + self.step - 1) // self.step,), np.int64)


@dense
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor from a number, nested lists or an array, always copied.

    Floats become the default dtype; numpy arrays keep theirs. Raises ValueError for ragged lists.
    """
    check_device(device)
    kind = dtypes.of(dtype) if dtype is not None else None
    if isinstance(data, Handle):
        return as_tensor(data, kind).detach().clone().requires_grad_(requires_grad)
    if _is_traced(data):
        return _tensor_of_traced(data, kind)
    data = _plain(data)
    array = data if isinstance(data, np.ndarray | np.generic) else _as_array(data)
    if kind is None and not isinstance(data, np.ndarray | np.generic) and dtypes.kind(array.dtype) in "fc":
        kind = dtypes.of_python(float if dtypes.kind(array.dtype) == "f" else complex)
    if kind is None:
        kind = dtypes.get_default_dtype() if array.size == 0 and isinstance(data, list) else dtypes.of(array.dtype)
    return new(np.array(array, dtype=kind.numpy), requires_grad)


def _is_traced(data: Any) -> bool:
    """Whether a number in nested sequences is not known while tracing."""
    if isinstance(data, list | tuple):
        return any(map(_is_traced, data))
    return isinstance(data, Symbolic) or (isinstance(data, Handle) and isinstance(data._value.data, Spec))


def _tensor_of_traced(data: Any, kind: Any) -> Tensor:
    if not isinstance(data, list | tuple):
        return as_tensor(data, kind)
    parts = [_tensor_of_traced(x, kind) for x in data]
    common = result_dtype(*parts)
    return stack([as_tensor(x, common) for x in parts])


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor over the memory of a numpy array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy array, got {type(ndarray).__name__}")
    dtypes.of(ndarray.dtype)
    result = new(ndarray, False)
    result._value.version.shared = True
    return result


def asarray(data: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """As `tensor`, without copying where the data is a tensor or array of that dtype."""
    check_device(device)
    data = from_numpy(data) if isinstance(data, np.ndarray) else data if isinstance(data, Handle) else tensor(data)
    return as_tensor(data, dtypes.of(dtype) if dtype is not None else None)


def _evenly(start: Any, end: Any, steps: int, kind: dtypes.dtype) -> np.ndarray[Any, Any]:
    """From both ends towards the middle, as PyTorch counts: whole bounds first where the dtype is an integer one."""
    if steps < 0:
        raise RuntimeError(f"linspace: number of steps must be non-negative, got {steps}")
    start, end = (x.item() if isinstance(x, Handle) else x for x in (start, end))  # type: ignore[attr-defined]
    if kind.category == dtypes.INTEGER:
        start, end = int(start), int(end)
    places = np.arange(steps)
    step = (end - start) / (steps - 1) if steps > 1 else 0.0
    return (
        np.where(places < steps // 2, start + step * places, end - step * (steps - 1 - places))
        if steps > 1
        else np.full(steps, start)
    )


@dense
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros."""
    return full(sizes(size), 0.0, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


@dense
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones."""
    return full(sizes(size), 1.0, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad)


@dense
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """As `zeros`: memory without content would make runs differ."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)


@dense
def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """One number everywhere; its dtype is the number's unless given."""
    check_device(device)
    shape = tuple(size) if isinstance(size, list | tuple) else (size,)
    if isinstance(fill_value, Symbolic):
        return as_tensor(fill_value, dtypes.of(dtype) if dtype is not None else None).expand(shape)
    kind = dtypes.of(dtype) if dtype is not None else dtypes.of_python(type(fill_value))
    if any(isinstance(n, SymInt) for n in shape):
        return Full(shape, fill_value, kind)()
    if any(n < 0 for n in shape):
        raise RuntimeError(f"full: sizes must not be negative, got {list(shape)}")
    return new(np.full(shape, fill_value, kind.numpy), requires_grad)


@dense
def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of `input`."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


@dense
def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of `input`."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


@dense
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


empty_like = zeros_like


@dense
def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    """start, start + step, ... below `end`; `arange(n)` counts from 0. int64 for integers, else the default float."""
    check_device(device)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("arange: step must not be zero")
    if any(isinstance(n, SymInt) for n in (start, end, step)):
        return as_tensor(Range(start, end, step)(), dtypes.of(dtype) if dtype is not None else None)
    if (end - start) * step < 0:
        raise RuntimeError(f"arange: bounds {start} and {end} do not fit the sign of step {step}")
    integers = all(isinstance(n, int) for n in (start, end, step))
    if dtype is not None and dtypes.of(dtype).category == dtypes.INTEGER and not integers:
        start, end, step = int(start), int(end), int(step)
    kind = dtypes.of(dtype) if dtype is not None else dtypes.int64 if integers else dtypes.get_default_dtype()
    return new(np.arange(start, end, step).astype(kind.numpy), False)


@dense
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included."""
    check_device(device)
    kind = dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
    return new(_evenly(start, end, steps, kind).astype(kind.numpy), False)


@dense
def logspace(start: Any, end: Any, steps: int, base: Any = 10.0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """base ** x for `steps` evenly spaced x from `start` to `end`, both included."""
    check_device(device)
    kind = dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
    with np.errstate(over="ignore", invalid="ignore"):
        return new(np.asarray(np.power(float(base), _evenly(start, end, steps, kind))).astype(kind.numpy), False)


@dense
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of [n, m], zeros elsewhere."""
    check_device(device)
    kind = dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
    return new(np.eye(n, m, dtype=kind.numpy), requires_grad)


@dense
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The places of the elements of a [row, col] matrix on and below a diagonal: int64 [2, count]."""
    check_device(device)
    places = np.tril_indices(row, offset, col)
    return new(np.stack(places).astype((dtypes.of(dtype) if dtype is not None else dtypes.int64).numpy), False)


@dense
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The places of the elements of a [row, col] matrix on and above a diagonal: int64 [2, count]."""
    check_device(device)
    places = np.triu_indices(row, offset, col)
    return new(np.stack(places).astype((dtypes.of(dtype) if dtype is not None else dtypes.int64).numpy), False)


@dense
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """One number as a tensor without dims, of the default float dtype unless given."""
    kind = dtype if dtype is not None else dtypes.get_default_dtype()
    return full((), s, dtype=kind, device=device, requires_grad=requires_grad)


@dense
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the given order in memory. Raises RuntimeError where sizes and strides differ in number."""
    check_device(device)
    if len(size) != len(stride):
        raise RuntimeError(f"empty_strided: expected a stride for each size, got {list(size)} and {list(stride)}")
    kind = (dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()).numpy
    room = sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1 if 0 not in size else 0
    steps = [step * kind.itemsize for step in stride]
    return new(np.lib.stride_tricks.as_strided(np.zeros(room, kind), tuple(size), steps), requires_grad)


@dense
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros whose dims lie in memory in the order of `physical_layout`."""
    order = list(physical_layout)
    if sorted(order) != list(range(len(size))):
        raise RuntimeError(f"empty_permuted: expected each of the {len(size)} dims once, got {order}")
    stored = zeros(tuple(size[d] for d in order), dtype=dtype, device=device)
    back = stored.permute(*[order.index(d) for d in range(len(order))])
    return back.requires_grad_(requires_grad)


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A tensor over the memory of a buffer, from byte `offset` on."""
    result = from_numpy(np.frombuffer(buffer, dtypes.of(dtype).numpy, count, offset))
    return result.requires_grad_(requires_grad)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor over the memory of any array on the CPU that speaks DLPack, without copying."""
    return from_numpy(np.from_dlpack(ext_tensor))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 [..., num_classes]: 1 at the class, 0 elsewhere. -1 takes the largest class that occurs."""
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError(f"one_hot: expected dtype int64, got {tensor.dtype}")
    count = int(tensor.max()) + 1 if num_classes == -1 else num_classes
    data = tensor._value.data
    if isinstance(data, np.ndarray) and data.size and not (data.min() >= 0 and data.max() < count):
        raise RuntimeError(f"one_hot: expected classes from 0 to {count - 1}, got {data.min()} to {data.max()}")
    return as_tensor(tensor.unsqueeze(-1) == arange(count), dtypes.int64)


def new(array: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    """A leaf over `array`. Raises RuntimeError for a gradient of anything but floating point and complex numbers."""
    if requires_grad and dtypes.kind(array.dtype) not in "fc":
        raise RuntimeError(f"only Tensors of floating point and complex dtype can require gradients, got {array.dtype}")
    return wrap(Value(array, requires_grad))


def check_device(device: Any) -> None:
    """Everything lives on the CPU. Raises RuntimeError for another device."""
    if device is not None and not str(device).startswith("cpu"):
        raise RuntimeError(f"device {str(device)!r} is not available: lampion computes on 'cpu'")


def _as_array(data: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.array(data)
    except ValueError:
        array = np.array(None)
    if dtypes.kind(array.dtype) not in "biufc":
        raise ValueError(f"tensor: expected numbers, or sequences of equal length of them, got {str(data)[:60]}")
    return array


def _plain(data: Any) -> Any:
    """Nested sequences with Tensors as numbers and arrays."""
    if isinstance(data, list | tuple):
        return [_plain(x) for x in data]
    return data.detach().numpy() if isinstance(data, Handle) else data  # type: ignore[attr-defined]
