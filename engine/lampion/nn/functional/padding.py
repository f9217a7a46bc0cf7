"""Elements around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lampion.ops.shape import cat, flip, pad_constant
from lampion.tensor import Tensor


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Elements around the last dims: `pad` is (before, after) of the last dim, then of the one before it, and so on.

    They are `value` (mode "constant"), the mirror image ("reflect"), the edge ("replicate") or the other end
    ("circular"). Negative numbers take elements away. Raises ValueError for another mode, RuntimeError where there are too
    few elements to mirror or repeat.
    """
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(f"pad: expected pairs for at most {input.ndim} dims, got {list(pad)}")
    if mode == "constant":
        return pad_constant(input, pad, 0 if value is None else value)
    if mode not in _EDGES:
        raise ValueError(f"pad: expected mode 'constant', {', '.join(map(repr, _EDGES))}, got {mode!r}")
    for i, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        if before or after:
            input = _extended(input, input.ndim - 1 - i, before, after, mode)
    return input


def _extended(x: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    if mode == "circular":  # the other end is that of what is left
        x = _cropped(x, dim, before, after)
    size = x.shape[dim]
    if isinstance(size, int) and mode != "replicate" and max(before, after) > size - (mode == "reflect"):
        raise RuntimeError(f"pad: {mode} padding ({before}, {after}) is too large for size {size} along dim {dim}")
    front, back = _EDGES[mode](x, dim, size, max(before, 0), max(after, 0))
    grown = cat([piece for piece, n in ((front, before), (x, 1), (back, after)) if n > 0], dim)
    return grown if mode == "circular" else _cropped(grown, dim, before, after)


def _cropped(x: Tensor, dim: int, before: int, after: int) -> Tensor:
    """Without as many elements as the negative numbers among `before` and `after` say."""
    start, stop = max(-before, 0), max(-after, 0)
    return x.narrow(dim, start, x.shape[dim] - start - stop) if start or stop else x


def _mirror(x: Tensor, dim: int, size: Any, before: int, after: int) -> tuple[Tensor, Tensor]:
    return flip(x.narrow(dim, 1, before), dim), flip(x.narrow(dim, size - 1 - after, after), dim)


def _edge(x: Tensor, dim: int, size: Any, before: int, after: int) -> tuple[Tensor, Tensor]:
    def repeated(start: Any, times: int) -> Tensor:
        shape = list(x.shape)
        shape[dim] = times
        return x.narrow(dim, start, 1).expand(shape)

    return repeated(0, before), repeated(size - 1, after)


def _other_end(x: Tensor, dim: int, size: Any, before: int, after: int) -> tuple[Tensor, Tensor]:
    return x.narrow(dim, size - before, before), x.narrow(dim, 0, after)


_EDGES = {"reflect": _mirror, "replicate": _edge, "circular": _other_end}
