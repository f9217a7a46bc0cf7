"""Order statistics, sums that skip nan, covariance, norms of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion import dtypes
from lampion.ops.comparison import isnan, where
from lampion.ops.complex import conj
from lampion.ops.create import arange
from lampion.ops.cumulative import cummax
from lampion.ops.dims import axes, axis
from lampion.ops.norms import vector_norm
from lampion.ops.promote import as_tensor, cast
from lampion.ops.reduce import Dim, ValuesIndices, sum
from lampion.ops.sorting import sort
from lampion.symbolic import maximum, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor


# ---- skipping nan ---------------------------------------------------------------------------------------------------


def nansum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over `dim` (all if None) of what is not nan."""
    return sum(_without_nan(input), dim, keepdim, dtype=dtype)


def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over `dim` (all if None) of what is not nan."""
    return nansum(input, dim, keepdim, dtype=dtype) / sum(~isnan(input), dim, keepdim)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle one, the lower of two, of what is not nan; along `dim` a pair (values, indices)."""
    if dim is None:
        return nanmedian(input.reshape(-1), 0).values
    if input.ndim == 0:
        return ValuesIndices(*(y.reshape(()) for y in nanmedian(input.reshape(1), 0)))
    dim = axis(dim, input.ndim, "nanmedian")
    count = sum(~isnan(input), dim, True)
    return _picked(sort(input, dim), dim, ((count - 1) // 2).clamp(min=0), keepdim)


def _without_nan(x: Tensor) -> Tensor:
    return where(isnan(x), 0.0, x) if x.dtype.category >= dtypes.FLOAT else x


# ---- order ----------------------------------------------------------------------------------------------------------


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The k-th smallest element along `dim`, counted from 1, and where it is."""
    if input.ndim == 0:
        return ValuesIndices(*(y.reshape(()) for y in kthvalue(input.reshape(1), k, 0)))
    dim = axis(dim, input.ndim, "kthvalue")
    size = input.shape[dim]
    if k < 1 or (isinstance(size, int) and k > size):
        raise RuntimeError(f"kthvalue: selected number k out of range: got {k} for dim {dim} of size {size}")
    pair = sort(input, dim)
    return ValuesIndices(*(y.narrow(dim, k - 1, 1) if keepdim else y.select(dim, k - 1) for y in pair))


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The most frequent element along `dim`, the smallest of several, and the last place where it is."""
    if input.ndim == 0:
        return ValuesIndices(*(y.reshape(()) for y in mode(input.reshape(1), 0)))
    dim = axis(dim, input.ndim, "mode")
    pair = sort(input, dim)
    values, indices = (y.movedim(dim, -1) for y in pair)
    if not isinstance(values.shape[-1], int) or values.shape[-1] == 0:
        raise RuntimeError(f"mode: expected a known size above 0 along dim {dim}, got shape {list(input.shape)}")
    place = arange(values.shape[-1])
    starts = (values[..., 1:] != values[..., :-1]).long().pad_constant((1, 0)) * place
    most = (place - cummax(starts, -1).values).argmax(-1, keepdim=True)
    found = values.gather(-1, most), indices.gather(-1, most)
    return ValuesIndices(*(y.movedim(-1, dim) if keepdim else y.squeeze(-1) for y in found))


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The numbers below which a part `q` of the elements lies along `dim` (of all if None); nan where there is one.

    A vector `q` gives a new first dim. `interpolation` between neighbours is linear, lower, higher, nearest or midpoint.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """As `quantile`, of what is not nan."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(who: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    parts = as_tensor(q, input.dtype if not hasattr(q, "dtype") else None)
    if not input.dtype.is_floating_point or parts.dtype is not input.dtype:
        raise RuntimeError(
            f"{who}: expected input and q of one floating point dtype, got {input.dtype} and {parts.dtype}"
        )
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(f"{who}: expected interpolation {', '.join(_INTERPOLATIONS)}, got {interpolation!r}")
    along = 0 if dim is None else axis(dim, input.ndim, who)
    x = sort((input.reshape(-1) if dim is None or not input.ndim else input).movedim(along, -1), -1).values
    last = x.shape[-1] - 1
    if who == "nanquantile":
        rank = parts.reshape(-1) * (sum(~isnan(x), -1, True) - 1).clamp(min=0)
    else:
        rank = where(isnan(x).any(-1, True), float(last), parts.reshape(-1) * last)
    result = _between(x, cast(rank, x.dtype), interpolation).movedim(-1, 0)
    if keepdim and input.ndim:
        result = result.reshape(-1, *(1,) * input.ndim) if dim is None else result.unsqueeze(along + 1)
    return result if parts.ndim else result.squeeze(0)


_INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


def _between(x: Tensor, rank: Tensor, interpolation: str) -> Tensor:
    """Elements of sorted rows [..., n] at fractional ranks [..., q]."""
    exact = {"lower": rank.floor, "higher": rank.ceil, "nearest": rank.round}.get(interpolation, rank.floor)()
    below = x.gather(-1, exact.long())
    if interpolation not in ("linear", "midpoint"):
        return below
    above = x.gather(-1, rank.ceil().long())
    weight = (rank - exact) if interpolation == "linear" else 0.5
    return below + weight * (above - below)


def _picked(pair: ValuesIndices, dim: int, place: Tensor, keepdim: bool) -> ValuesIndices:
    found = pair.values.gather(dim, place), pair.indices.gather(dim, place)
    return ValuesIndices(*(found if keepdim else (y.squeeze(dim) for y in found)))


# ---- covariance -----------------------------------------------------------------------------------------------------


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of the rows; columns are observations, counted `fweights` times and weighted by `aweights`."""
    if input.ndim > 2:
        raise RuntimeError(f"cov: expected at most 2 dims, got shape {list(input.shape)}")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = x if x.dtype.category >= dtypes.FLOAT else x.to(dtypes.get_default_dtype())
    weight: Any = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    total: Any = x.shape[1] if weight is None else weight.sum()
    mean = (x if weight is None else x * weight).sum(1, keepdim=True) / total
    freedom = total - correction
    if aweights is not None and correction:
        freedom = total - correction * (weight * aweights).sum() / total
    freedom = maximum(freedom, 0) if weight is None else freedom.clamp(min=0)
    centred = x - mean
    weighted = centred if weight is None else centred * weight
    found = weighted @ conj(centred).t() / freedom
    return found.reshape(()) if same(x.shape[0], 1) else found


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the rows; columns are observations."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviation = c.diagonal().real.sqrt()
    scaled = c / deviation.unsqueeze(1) / deviation.unsqueeze(0)
    return scaled if c.dtype.is_complex else scaled.clamp(-1, 1)


# ---- norms ----------------------------------------------------------------------------------------------------------


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """With each slice at `dim` whose p-norm is above `maxnorm` scaled down to it."""
    dim = axis(dim, input.ndim, "renorm")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: expected at least 2 dims, got shape {list(input.shape)}")
    size = vector_norm(input, p, [d for d in axes(None, input.ndim) if d != dim], keepdim=True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)
