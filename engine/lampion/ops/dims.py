"""Dimension arguments, normalized."""

from __future__ import annotations

from collections.abc import Sequence

from lampion.symbolic import SymInt


def axis(dim: int, ndim: int, who: str = "dim") -> int:
    """`dim` counted from the front. Raises IndexError outside [-ndim, ndim)."""
    room = max(ndim, 1)
    if isinstance(dim, SymInt):
        dim = int(dim)  # which the graph needs to know; it says so
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise TypeError(f"{who}: expected an int, got {type(dim).__name__}")
    if not -room <= dim < room:
        raise IndexError(
            f"{who}: Dimension out of range (expected to be in range of [{-room}, {room - 1}], but got {dim})"
        )
    return dim % room


def axes(dim: int | Sequence[int] | None, ndim: int, who: str = "dim") -> tuple[int, ...]:
    """All dims for None or (), else each counted from the front, in order. Raises RuntimeError for one named twice."""
    if dim is None or dim == () or dim == []:
        return tuple(range(ndim))
    result = tuple(sorted(axis(d, ndim, who) for d in ([dim] if isinstance(dim, int | SymInt) else dim)))
    if len(set(result)) != len(result):
        raise RuntimeError(f"{who}: a dim appears twice in {dim}")
    return result if ndim else ()
