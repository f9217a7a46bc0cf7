"""Reductions, cumulative ops, and softmax, whose denominator is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion import dtypes
from lampion.ops.analysis import exp, log, sqrt
from lampion.ops.arithmetic import abs
from lampion.ops.comparison import where
from lampion.ops.complex import conj
from lampion.ops.dims import axes, axis
from lampion.ops.promote import Op, as_tensor, cast, promoted
from lampion.symbolic import Shape, Spec, numel, same
from lampion.symbolic import maximum as max_size

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Dim = int | list[int] | tuple[int, ...] | None


class Reduction(Op):
    """Base: over `dims` (sorted, from the front), which stay with size 1 if `keepdim`."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool = False) -> None:
        self.dims = dims
        self.keepdim = keepdim

    def infer(self, x: Any) -> Spec:
        return Spec(self.reduced(x.shape, self.keepdim), x.dtype)

    def reduced(self, shape: Shape, keepdim: bool) -> Shape:
        """The shape that is left."""
        if keepdim:
            return tuple(1 if i in self.dims else n for i, n in enumerate(shape))
        return tuple(n for i, n in enumerate(shape) if i not in self.dims)

    def kept(self, reduced: Tensor, x: Tensor) -> Tensor:
        """A result for `x` with its reduced dims as size 1, so that it broadcasts against `x`."""
        return reduced if self.keepdim else reduced.reshape(self.reduced(x.shape, True))


class Sum(Reduction):
    """The sum over `dims`."""

    def forward(self, x: Any) -> Any:
        return np.sum(x, axis=self.dims, keepdims=self.keepdim, dtype=x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (self.kept(g, x).expand(x.shape),)


class Extreme(Reduction):
    """Base of max and min: the gradient is shared evenly among equal elements."""

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        hit = cast(x == self.kept(out, x), g.dtype)
        return (hit * self.kept(g, x) / hit.sum(list(self.dims), keepdim=True),)


class Amax(Extreme):
    """The largest element over `dims`."""

    def forward(self, x: Any) -> Any:
        return np.max(x, axis=self.dims, keepdims=self.keepdim)


class Amin(Extreme):
    """The smallest element over `dims`."""

    def forward(self, x: Any) -> Any:
        return np.min(x, axis=self.dims, keepdims=self.keepdim)


class Prod(Reduction):
    """The product over `dims`."""

    def forward(self, x: Any) -> Any:
        return np.prod(x, axis=self.dims, keepdims=self.keepdim, dtype=x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        """The product of all others, without dividing by x: products of those before and of those behind."""
        if len(self.dims) != 1:
            flat, back = _dims_last(x, self.dims)
            others = product_of_others(flat, -1)
            return (self.kept(g, x) * conj(back(others)),)
        return (self.kept(g, x) * conj(product_of_others(x, self.dims[0])),)


class ArgExtreme(Op):
    """Base of argmax and argmin along `dim`: int64, the first of equals."""

    def __init__(self, dim: int, keepdim: bool) -> None:
        self.dim = dim
        self.keepdim = keepdim

    def infer(self, x: Any) -> Spec:
        return Spec(Reduction((self.dim,)).reduced(x.shape, self.keepdim), np.int64)


class ArgMax(ArgExtreme):
    """The index of the largest element."""

    def forward(self, x: Any) -> Any:
        return np.argmax(x, axis=self.dim, keepdims=self.keepdim)


class ArgMin(ArgExtreme):
    """The index of the smallest element."""

    def forward(self, x: Any) -> Any:
        return np.argmin(x, axis=self.dim, keepdims=self.keepdim)


class CumSum(Op):
    """Running sums along `dim`, from the back if `reverse`."""

    def __init__(self, dim: int, reverse: bool = False) -> None:
        self.dim = dim
        self.reverse = reverse

    def forward(self, x: Any) -> Any:
        if self.reverse:
            return np.flip(np.cumsum(np.flip(x, self.dim), axis=self.dim, dtype=x.dtype), self.dim).copy()
        return np.cumsum(x, axis=self.dim, dtype=x.dtype)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (CumSum(self.dim, not self.reverse)(g),)


class Softmax(Op):
    """exp(x) / sum(exp(x)) along `dim`, shifted by the maximum."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):  # nothing but -inf gives nan
            e = np.exp(x - np.max(x, axis=self.dim, keepdims=True, initial=-np.inf))
            return e / np.sum(e, axis=self.dim, keepdims=True)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (out * (g - (g * out).sum(self.dim, keepdim=True)),)


class LogSoftmax(Op):
    """x - log(sum(exp(x))) along `dim`, shifted by the maximum."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore", divide="ignore"):  # nothing but -inf gives nan
            shifted = x - np.max(x, axis=self.dim, keepdims=True, initial=-np.inf)
            return shifted - np.log(np.sum(np.exp(shifted), axis=self.dim, keepdims=True))

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g - exp(out) * g.sum(self.dim, keepdim=True),)


# ---- functions ------------------------------------------------------------------------------------------------------


class ValuesIndices(NamedTuple):
    """What `max`, `min`, `median`, `sort` and `topk` along a dim give."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """What `aminmax` gives."""

    min: Tensor
    max: Tensor


def sum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over `dim` (all if None). Integers and bools are summed as int64."""
    kind = dtypes.of(dtype) if dtype is not None else input.dtype
    if dtype is None and kind.category < dtypes.FLOAT:
        kind = dtypes.int64
    return Sum(axes(dim, input.ndim, "sum"), keepdim)(cast(input, kind))


def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over `dim` (all if None). Raises RuntimeError for integers, as PyTorch does."""
    x = input if dtype is None else cast(input, dtypes.of(dtype))
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"mean: expected a floating point dtype, got {x.dtype}; convert with .float() first")
    dims = axes(dim, x.ndim, "mean")
    return sum(x, dims or None, keepdim) / numel(tuple(x.shape[d] for d in dims))


def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> Tensor:
    """The variance over `dim` (all if None): squared distances from the mean over n - correction (`unbiased`: 1 or 0)."""
    _expect("var", input, "f")
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = int(unbiased) if unbiased is not None else 1 if correction is None else correction
    dims = axes(dim, input.ndim, "var")
    centred = input - mean(input, dims or None, keepdim=True)
    count = numel(tuple(input.shape[d] for d in dims))
    freedom = max_size(count - correction, 0) if isinstance(correction, int) else count - correction
    return sum(centred * centred, dims or None, keepdim) / freedom


def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> Tensor:
    """The square root of `var`."""
    return sqrt(var(input, dim, unbiased, keepdim, correction=correction))


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product along `dim` (all if None). Integers and bools are multiplied as int64."""
    kind = dtypes.of(dtype) if dtype is not None else input.dtype
    if dtype is None and kind.category < dtypes.FLOAT:
        kind = dtypes.int64
    return Prod(axes(dim, input.ndim, "prod"), keepdim)(cast(input, kind))


def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest element over `dim` (all if None); equals share the gradient."""
    _expect("amax", input, "biuf")
    _expect_elements("amax", input, dim)
    return Amax(axes(dim, input.ndim, "amax"), keepdim)(input)


def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest element over `dim` (all if None); equals share the gradient."""
    _expect("amin", input, "biuf")
    _expect_elements("amin", input, dim)
    return Amin(axes(dim, input.ndim, "amin"), keepdim)(input)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the largest element along `dim`, or in the flattened tensor."""
    return _arg(ArgMax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the smallest element along `dim`, or in the flattened tensor."""
    return _arg(ArgMin, input, dim, keepdim)


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along `dim` a pair (values, indices); of two tensors, elementwise."""
    if dim is None:
        return amax(input)
    if not isinstance(dim, int):
        [x, y] = promoted(input, dim)
        return x.maximum(y)
    return _along(ArgMax, input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along `dim` a pair (values, indices); of two tensors, elementwise."""
    if dim is None:
        return amin(input)
    if not isinstance(dim, int):
        [x, y] = promoted(input, dim)
        return x.minimum(y)
    return _along(ArgMin, input, dim, keepdim)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether some element is other than 0."""
    return _as_flag(sum(input != 0, dim, keepdim) != 0, input)


def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether every element is other than 0."""
    return _as_flag(sum(input == 0, dim, keepdim) == 0, input)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums along `dim`. Integers and bools are summed as int64."""
    kind = dtypes.of(dtype) if dtype is not None else input.dtype
    if dtype is None and kind.category < dtypes.FLOAT:
        kind = dtypes.int64
    dim = axis(dim, input.ndim, "cumsum")
    return CumSum(dim)(cast(input, kind)) if input.ndim else cast(input, kind).clone()


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`."""
    x = input if dtype is None else cast(input, dtypes.of(dtype))
    _expect("softmax", x, "f")
    return Softmax(axis(dim, x.ndim, "softmax"))(x)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """log(softmax(x)) along `dim`, without its loss of precision."""
    x = input if dtype is None else cast(input, dtypes.of(dtype))
    _expect("log_softmax", x, "f")
    return LogSoftmax(axis(dim, x.ndim, "log_softmax"))(x)


def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, shifted by the maximum."""
    dims = list(axes(dim, input.ndim, "logsumexp"))
    top = amax(input, dims, keepdim=True).detach()
    top = where(abs(top) == float("inf"), 0.0, top)
    total = log(sum(exp(input - top), dims, keepdim=True)) + top
    return total if keepdim else total.reshape(Reduction(tuple(dims)).reduced(input.shape, False))


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> tuple[Tensor, Tensor]:
    """`var` and `mean` over `dim`."""
    over = None if isinstance(dim, bool) else dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, over, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> tuple[Tensor, Tensor]:
    """`std` and `mean` over `dim`."""
    over = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, over, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The smallest and the largest element along `dim` (of all if None)."""
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements are other than 0, int64."""
    return sum(input != 0, dim)


def _expect(who: str, x: Tensor, kinds: str) -> None:
    """Raises NotImplementedError (a RuntimeError) for a dtype whose numpy kind is not among `kinds`."""
    if dtypes.kind(x._value.data.dtype) not in kinds:
        raise NotImplementedError(f"{who}: not implemented for {x.dtype} tensors; convert with .to() first")


def _expect_elements(who: str, x: Tensor, dim: Dim) -> None:
    """Raises RuntimeError, or IndexError naming the dim, where there is nothing to choose from."""
    empty = [d for d in axes(dim, x.ndim, who) if same(x.shape[d], 0)]
    if not empty:
        return
    if dim is None:
        raise RuntimeError(f"{who}: a tensor of shape {list(x.shape)} has no elements to choose from")
    raise IndexError(f"{who}: dim {empty[0]} of shape {list(x.shape)} has no elements to choose from")


def _as_flag(found: Tensor, input: Tensor) -> Tensor:
    """A bool; uint8 for uint8, which once stood for bool."""
    return cast(found, dtypes.uint8) if input.dtype is dtypes.uint8 else found


def _arg(op: type[ArgExtreme], input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    _expect(op.__name__.lower(), input, "iuf")
    _expect_elements(op.__name__.lower(), input, dim)
    if dim is None:
        return op(0, False)(input.reshape(-1))
    return op(axis(dim, input.ndim, op.__name__.lower()), keepdim)(input)


def _along(op: type[ArgExtreme], input: Tensor, dim: int, keepdim: bool) -> ValuesIndices:
    who = op.__name__.lower().removeprefix("arg")
    dim = axis(dim, input.ndim, who)
    _expect_elements(who, input, dim)
    if input.ndim == 0:
        return ValuesIndices(*(y.reshape(()) for y in _along(op, input.reshape(1), 0, False)))
    indices = op(dim, True)(input)
    values = input.gather(dim, indices)
    return ValuesIndices(values, indices) if keepdim else ValuesIndices(values.squeeze(dim), indices.squeeze(dim))


def _dims_last(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Any]:
    """`x` with `dims` flattened into a last one, and the way back."""
    rest = [i for i in range(x.ndim) if i not in dims]
    order = [*rest, *dims]
    moved = x.permute(order)
    shape = moved.shape
    back = [order.index(i) for i in range(x.ndim)]
    return moved.reshape(*[shape[i] for i in range(len(rest))], -1), lambda t: t.reshape(shape).permute(back)


def product_of_others(x: Tensor, dim: int) -> Tensor:
    """For every element the product of all others along `dim`, exact where some are 0."""
    n = x.shape[dim]
    shape = [1] * (x.ndim + 1)
    dim = dim % x.ndim
    shape[dim], shape[dim + 1] = n, n
    itself = as_tensor(np.eye(n, dtype=bool)).reshape(shape)
    return Prod((dim + 1,))(where(itself, 1.0, x.unsqueeze(dim)))
