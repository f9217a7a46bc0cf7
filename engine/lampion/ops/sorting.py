"""Order: the largest few, sorting, and where a number belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.ops.create import new, zeros_like
from lampion.ops.dims import axis
from lampion.ops.promote import Op
from lampion.ops.reduce import ValuesIndices
from lampion.symbolic import Size, Spec

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class TopK(Op):
    """The `k` largest (or smallest) elements along `dim`, in order, and their places (int64).

    Equals keep their order; nan counts as the largest.
    """

    def __init__(self, k: Size, dim: int, largest: bool) -> None:
        self.k, self.dim, self.largest = k, dim, largest

    def forward(self, x: Any) -> Any:
        if self.largest:
            back = np.argsort(np.flip(x, self.dim), self.dim, kind="stable")
            order = np.flip(x.shape[self.dim] - 1 - back, self.dim) if x.ndim else back
        else:
            order = np.argsort(x, self.dim, kind="stable")
        first = np.take(order, np.arange(self.k), self.dim)
        return np.take_along_axis(x, first, self.dim), first

    def infer(self, x: Any) -> tuple[Spec, Spec]:
        shape = (*x.shape[: self.dim], self.k, *x.shape[self.dim + 1 :])
        return Spec(shape, x.dtype), Spec(shape, np.int64)

    def gradient(self, g: Any, out: Any, x: Tensor) -> tuple[Any, ...]:
        return (zeros_like(x).scatter_add(self.dim, out[1], g[0]),)


# ---- functions ------------------------------------------------------------------------------------------------------


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """The `k` largest (or smallest) elements along `dim`, always sorted. Raises RuntimeError where there are fewer."""
    if input.ndim == 0:
        return ValuesIndices(*(y.reshape(()) for y in topk(input.reshape(1), k, 0, largest)))
    dim = axis(dim, input.ndim, "topk")
    size = input.shape[dim]
    if k < 0 or (isinstance(size, int) and k > size):
        raise RuntimeError(f"topk: selected index k out of range: got {k} for dim {dim} of size {size}")
    return ValuesIndices(*TopK(k, dim, largest)(input))


def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> ValuesIndices:
    """The elements in order along `dim`, and where they were; equals always keep their order."""
    if input.ndim == 0:
        return ValuesIndices(*(y.reshape(()) for y in sort(input.reshape(1), 0, descending)))
    dim = axis(dim, input.ndim, "sort")
    return ValuesIndices(*TopK(input.shape[dim], dim, descending)(input))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> Tensor:
    """The places of the elements in order along `dim`."""
    return sort(input, dim, descending).indices


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, the lower of two; along `dim` a pair (values, indices). nan where there is one."""
    if dim is None:
        return median(input.reshape(-1), 0).values
    if input.ndim == 0:
        return ValuesIndices(*(y.reshape(()) for y in median(input.reshape(1), 0)))
    dim = axis(dim, input.ndim, "median")
    values, indices = TopK(input.shape[dim], dim, False)(input)
    middle = (input.shape[dim] - 1) // 2
    place = (values != values).sum(dim, keepdim=True).clamp(max=1) * (input.shape[dim] - 1 - middle) + middle
    pair = values.gather(dim, place), indices.gather(dim, place)
    return ValuesIndices(*(pair if keepdim else (y.squeeze(dim) for y in pair)))


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along `dim`) in order; on request where each element went, and how many there are."""
    array = input._known("unique()", "a mask, which keeps the shape")
    found = np.unique(array, return_inverse=True, return_counts=True, axis=dim)
    inverse = found[1].reshape(array.shape if dim is None else -1)
    wanted = [found[0], *[inverse] * return_inverse, *[found[2]] * return_counts]
    results = tuple(new(a, False) for a in wanted)
    return results if len(results) > 1 else results[0]


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often 0, 1, 2, ... occur (or the sums of their weights) in a vector of non-negative integers."""
    array = input._known("bincount()", "one_hot and sum, with a fixed number of classes")
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and array.min() < 0):
        raise RuntimeError(
            f"bincount: expected a vector of non-negative integers, got {input.dtype} of shape {list(input.shape)}"
        )
    return new(np.bincount(array, None if weights is None else weights.detach().numpy(), minlength), False)
