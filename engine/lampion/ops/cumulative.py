"""What accumulates along a dim: products, extremes, integrals; and differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.analysis import exp
from lampion.ops.comparison import where
from lampion.ops.complex import conj
from lampion.ops.dims import axes, axis
from lampion.ops.promote import Op, as_tensor, cast
from lampion.ops.reduce import ValuesIndices, sum
from lampion.ops.shape import cat, flip, narrow
from lampion.symbolic import Spec, same
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Along(Op):
    """Base: along `dim`, shape and dtype stay."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def infer(self, x: Any, *others: Any) -> Spec:
        return Spec(x.shape, x.dtype)


class Recurrence(Along):
    """y[k] = b[k] + a[k] * y[k - 1], starting from y[0] = b[0]."""

    def forward(self, a: Any, b: Any) -> Any:
        out = b.copy()
        steps, factors = np.moveaxis(out, self.dim, 0), np.moveaxis(a, self.dim, 0)
        for k in range(1, len(steps)):
            steps[k] += factors[k] * steps[k - 1]
        return out

    def gradient(self, g: Tensor, out: Tensor, a: Tensor, b: Tensor) -> tuple[Any, ...]:
        by_b = backwards(conj(a), g, self.dim)
        return (lambda: by_b * conj(shifted(out, self.dim, 1))), by_b


class CumProd(Along):
    """Running products."""

    def forward(self, x: Any) -> Any:
        return np.cumprod(x, axis=self.dim, dtype=x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        """Without dividing by x: dL/dx[k] is out[k - 1] times a sum over j >= k of g[j] x[k + 1] ... x[j]."""
        return (backwards(conj(x), g, self.dim) * conj(shifted(out, self.dim, 1, 1)),)


class LogCumSumExp(Along):
    """log(cumsum(exp(x))) without overflow."""

    def forward(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.logaddexp.accumulate(x, axis=self.dim, dtype=x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        """A sum over j >= k of g[j] exp(x[k] - out[j]), each exponent never above 0."""
        growth = exp(_difference(shifted(out, self.dim, 1), out))
        return (backwards(growth, g, self.dim) * exp(_difference(x, out)),)


class CumArgMax(Along):
    """Where the largest element so far is (int64), the latest of equals; a nan stays the largest."""

    def forward(self, x: Any) -> Any:
        rows = np.moveaxis(x, self.dim, 0)
        hit = (rows >= np.maximum.accumulate(rows, 0)) | (rows != rows)
        places = np.arange(len(rows)).reshape(-1, *(1,) * (x.ndim - 1))
        return np.moveaxis(np.maximum.accumulate(np.where(hit, places, 0), 0), 0, self.dim)

    def infer(self, x: Any, *others: Any) -> Spec:
        return Spec(x.shape, np.int64)


def backwards(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """y[k] = b[k] + a[k + 1] * y[k + 1], from the last to the first."""
    turned = Recurrence(dim)(flip(shifted(a, dim, -1), dim), flip(b, dim))
    return flip(turned, dim)


def shifted(x: Tensor, dim: int, by: int, rest: float = 0) -> Tensor:
    """The element before (by 1) or after (by -1) each, `rest` where there is none."""
    if same(x.shape[dim], 0):
        return x
    kept = narrow(x, dim, 0 if by > 0 else 1, x.shape[dim] - 1)
    ends = [0] * (2 * x.ndim)
    ends[2 * (x.ndim - 1 - dim) + (by < 0)] = 1
    return kept.pad_constant(ends, rest)


def _difference(x: Tensor, y: Tensor) -> Tensor:
    """x - y, 0 where they are equal, infinities included."""
    return where(x == y, 0.0, x - where(x == y, 0.0, y))


# ---- running --------------------------------------------------------------------------------------------------------


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running products along `dim`. Integers and bools are multiplied as int64."""
    kind = dtypes.of(dtype) if dtype is not None else input.dtype
    if dtype is None and kind.category < dtypes.FLOAT:
        kind = dtypes.int64
    dim = axis(dim, input.ndim, "cumprod")
    return CumProd(dim)(cast(input, kind)) if input.ndim else cast(input, kind).clone()


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(cumsum(exp(x))) along `dim`, without overflow."""
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"logcumsumexp: not implemented for {input.dtype} tensors; convert with .to() first")
    dim = axis(dim, input.ndim, "logcumsumexp")
    return LogCumSumExp(dim)(input) if input.ndim else input.clone()


def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """The largest element so far along `dim`, and where it is: the latest of equals."""
    return _running(input, dim, "cummax", lambda x: x)


def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """The smallest element so far along `dim`, and where it is: the latest of equals."""
    return _running(input, dim, "cummin", lambda x: ~x if x.dtype.category < dtypes.FLOAT else -x)


def _running(input: Tensor, dim: int, who: str, key: Callable[[Tensor], Tensor]) -> ValuesIndices:
    dim = axis(dim, input.ndim, who)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), as_tensor(0))
    indices = CumArgMax(dim)(key(input))
    return ValuesIndices(input.gather(dim, indices), indices)


# ---- differences ----------------------------------------------------------------------------------------------------


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Each element minus the one before it along `dim`, `n` times over; `prepend` and `append` are joined on first."""
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative, got {n}")
    dim = axis(dim, input.ndim, "diff")
    if input.ndim == 0:
        raise RuntimeError("diff: expected at least 1 dim, got shape []")
    if n == 0:
        return input.clone()
    parts = [_edge(x, input, dim) for x in (prepend, input, append) if x is not None]
    input = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, input.shape[dim]) if isinstance(input.shape[dim], int) else n):
        size = input.shape[dim]
        after, before = narrow(input, dim, 1, size - 1), narrow(input, dim, 0, size - 1)
        input = after ^ before if input.dtype is dtypes.bool_ else after - before
    return input


def _edge(x: Tensor, like: Tensor, dim: int) -> Tensor:
    if x.ndim:
        return x
    return x.expand(tuple(1 if i == dim else n for i, n in enumerate(like.shape)))


def gradient(input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> list[Tensor]:
    """Central differences along dims (all if None), one-sided of `edge_order` (1 or 2) at the edges, one tensor a dim.

    `spacing` is a distance, one a dim, or a vector of places a dim.
    """
    dims = axes(dim, input.ndim, "gradient") if dim is None else [axis(d, input.ndim) for d in _list(dim)]
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, list | tuple) else [spacing] * len(dims)
    if len(steps) != len(dims) or edge_order not in (1, 2):
        raise RuntimeError(
            f"gradient: expected {len(dims)} spacings, one a dim, and edge_order 1 or 2, got {len(steps)} and {edge_order}"
        )
    return [_gradient(input.movedim(d, -1), h, edge_order).movedim(-1, d) for d, h in zip(dims, steps, strict=True)]


def _gradient(x: Tensor, spacing: Any, order: int) -> Tensor:
    """Along the last dim."""
    if x.shape[-1] < order + 1:
        raise RuntimeError(f"gradient: expected at least {order + 1} elements along each dim, got {list(x.shape)}")
    x = x if x.dtype.category >= dtypes.FLOAT else x.to(dtypes.get_default_dtype())
    vector = isinstance(spacing, Handle) and spacing._value.data.ndim > 0
    gaps = diff(spacing) if vector else as_tensor(spacing, x.dtype).expand((x.shape[-1] - 1,))
    slopes = diff(x) / gaps
    left, right = gaps[:-1], gaps[1:]
    inner = (slopes[..., :-1] * right + slopes[..., 1:] * left) / (left + right)
    first, last = slopes[..., :1], slopes[..., -1:]
    if order == 2:
        first = first + (first - slopes[..., 1:2]) * (gaps[0] / (gaps[0] + gaps[1]))
        last = last + (last - slopes[..., -2:-1]) * (gaps[-1] / (gaps[-1] + gaps[-2]))
    return cat([first, inner, last], -1)


# ---- integrals ------------------------------------------------------------------------------------------------------


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoidal rule, over the places `x` or a constant distance `dx`."""
    return sum(_trapezoids(y, x, dx, dim), -1)


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """Running integrals along `dim` by the trapezoidal rule."""
    areas = _trapezoids(y, x, dx, dim).cumsum(-1)
    return areas.movedim(-1, axis(dim, y.ndim, "cumulative_trapezoid"))


def _trapezoids(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    """The areas between neighbours, along the last dim."""
    dim = axis(dim, y.ndim, "trapezoid")
    y = y.movedim(dim, -1)
    if same(y.shape[-1], 0):
        return y
    both = y[..., 1:] + y[..., :-1]
    if x is None:
        return both * (dx / 2)
    x = x if x.ndim == 1 else x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape)).movedim(dim, -1)
    return diff(x) * both / 2


def _list(x: int | Sequence[int]) -> Sequence[int]:
    return [x] if isinstance(x, int) else x
