"""How elements spread over bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lampion import dtypes
from lampion.ops.comparison import where
from lampion.ops.create import new, zeros
from lampion.ops.index import scatter_add
from lampion.ops.promote import as_tensor, cast
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Histogram(NamedTuple):
    """Counts or density, and the edges of the bins: a tensor, for `histogramdd` a tuple of them."""

    hist: Tensor
    bin_edges: Any


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts of [min, max]; where both are equal, of the elements' range."""
    if bins < 1 or min > max:
        raise RuntimeError(f"histc: expected bins > 0 and min <= max, got {bins}, {min} and {max}")
    x = input.reshape(-1)
    kind = x.dtype if x.dtype.category >= dtypes.FLOAT else dtypes.int64
    low, high = _range(x, min, max)
    place = ((x - low) / (high - low) * bins).floor().clamp(0, bins - 1)
    inside = (x >= low) & (x <= high)
    counts = scatter_add(zeros(bins, dtype=kind), 0, where(inside, place, 0.0).long(), cast(inside, kind))
    return cast(counts, input.dtype)


def _range(x: Tensor, low: Any, high: Any) -> tuple[Any, Any]:
    """The bounds; those of the elements where none are given, 1 apart from their middle where all are equal."""
    if low == high and x.numel():
        low, high = x.amin(), x.amax()
        equal = low == high
        return where(equal, low - 1, low), where(equal, high + 1, high)
    return (low - 1, high + 1) if low == high else (low, high)


def histogram(
    input: Tensor, bins: Any, *, range: Sequence[float] | None = None, weight: Any = None, density: bool = False
) -> Histogram:
    """How many elements (or what sum of weights) lie in each bin, given by number or edges; as `density` it integrates to 1.

    The elements' numbers must be known: not while tracing.
    """
    x = input.reshape(-1, 1)
    weight = None if weight is None else weight.reshape(-1)
    pair = None if range is None else list(range)
    found = histogramdd(x, bins if isinstance(bins, Handle) else [bins], range=pair, weight=weight, density=density)
    return Histogram(found.hist, found.bin_edges[0])


def histogramdd(
    input: Tensor, bins: Any, *, range: Sequence[float] | None = None, weight: Any = None, density: bool = False
) -> Histogram:
    """As `histogram`, for points [..., d] and bins along each of d dims; `range` is low, high, low, high, ..."""
    points = input._known("histogramdd()", "histc, whose bins are a fixed number")
    points = points.reshape(-1, points.shape[-1])
    kind, rank = points.dtype, points.shape[1]
    given = [bins] * rank if isinstance(bins, int | Handle) else list(bins)
    edges = [
        as_tensor(b).detach().numpy()
        if isinstance(b, Handle)
        else _edges(points[:, i], b, range and range[2 * i : 2 * i + 2])
        for i, b in enumerate(given)
    ]
    weights = None if weight is None else weight.detach().numpy().reshape(-1).astype(np.float64)
    counts = _counted(points, edges, weights)
    if density:
        counts = counts / counts.sum()
        for i, e in enumerate(edges):
            counts = counts / np.diff(e.astype(np.float64)).reshape(-1, *(1,) * (rank - 1 - i))
    return Histogram(new(counts.astype(kind), False), tuple(new(e.astype(kind), False) for e in edges))


def _counted(points: Any, edges: list[Any], weights: Any) -> Any:
    """Bins hold their lower edge; the last one holds its upper edge too."""
    shape = tuple(len(e) - 1 for e in edges)
    inside = np.ones(len(points), bool)
    places = []
    for x, e in zip(points.T, edges, strict=True):
        inside &= (x >= e[0]) & (x <= e[-1])
        places.append(np.clip(np.searchsorted(e, x, "right") - 1, 0, len(e) - 2))
    counts = np.zeros(shape)
    np.add.at(counts, tuple(p[inside] for p in places), 1.0 if weights is None else weights[inside])
    return counts


def _edges(x: Any, bins: int, bounds: Any) -> Any:
    low, high = bounds if bounds else (x.min(), x.max()) if x.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1, dtype=x.dtype)
