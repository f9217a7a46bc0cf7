"""Dropout: zeros at random, the rest scaled so that the mean stays (Srivastava et al. 2014)."""

from __future__ import annotations

import math

from lampion.ops.comparison import where
from lampion.ops.random import rand
from lampion.symbolic import Shape
from lampion.tensor import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Every element is 0 with probability p, else x / (1 - p); x itself unless training."""
    return _dropped("dropout", input, p, training, input.shape)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Drops whole channels of [n, c, length] or [c, length]."""
    return _channels("dropout1d", 1, input, p, training)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Drops whole channels of [n, c, height, width] or [c, height, width]."""
    return _channels("dropout2d", 2, input, p, training)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Drops whole channels of [n, c, depth, height, width] or [c, depth, height, width]."""
    return _channels("dropout3d", 3, input, p, training)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1 behind a SELU (Klambauer et al. 2017)."""
    return _saturated("alpha_dropout", input, p, training, input.shape)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of [n, c, ...]."""
    if training and input.ndim < 2:
        raise RuntimeError(f"feature_alpha_dropout: expected at least 2 dimensions, got shape {list(input.shape)}")
    shape = tuple(n if d < 2 else 1 for d, n in enumerate(input.shape))
    return _saturated("feature_alpha_dropout", input, p, training, shape)


def check_probability(who: str, p: float) -> None:
    """Raises ValueError outside [0, 1]."""
    if not 0 <= p <= 1:
        raise ValueError(f"{who}: expected a probability between 0 and 1, got {p}")


def _saturated(who: str, input: Tensor, p: float, training: bool, shape: Shape) -> Tensor:
    check_probability(who, p)
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    low = -1.6732632423543772 * 1.0507009873554805
    scale = 1 / math.sqrt((1 - p) * (1 + p * low * low))
    keep = rand(*shape, dtype=input.dtype) >= p
    return where(keep, input, low) * scale - scale * p * low


def _channels(who: str, rank: int, input: Tensor, p: float, training: bool) -> Tensor:
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{who}: expected {rank + 1} or {rank + 2} dimensions, got shape {list(input.shape)}")
    return _dropped(who, input, p, training, (*input.shape[:-rank], *[1] * rank))


def _dropped(who: str, input: Tensor, p: float, training: bool, shape: Shape) -> Tensor:
    check_probability(who, p)
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0
    keep = (rand(*shape, dtype=input.dtype) >= p).to(input.dtype)
    return input * (keep / (1 - p))
