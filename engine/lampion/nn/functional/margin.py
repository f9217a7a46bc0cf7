"""Losses of classes and labels by margins."""

from __future__ import annotations

from collections.abc import Callable

from lampion import dtypes
from lampion.nn.functional.activation import logsigmoid
from lampion.nn.functional.linear import pairwise_distance
from lampion.nn.functional.loss import reduced
from lampion.ops.arithmetic import minimum, relu
from lampion.ops.comparison import where
from lampion.ops.create import arange, zeros_like
from lampion.ops.index import take_rows
from lampion.ops.reduce import cumsum, mean
from lampion.ops.reduce import sum as total
from lampion.symbolic import may_agree
from lampion.tensor import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """sum over classes i other than y of weight[y] max(0, margin - x[y] + x[i]) ** p, over the number of classes.

    input [n, classes] with int64 target [n], or [classes] with one class. p is 1 or 2.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: expected p 1 or 2, got {p}")
    x, classes = (input.reshape(1, -1), target.reshape(1)) if input.ndim < 2 else (input, target)
    if x.ndim != 2 or not may_agree(classes.shape, x.shape[:1]):
        raise RuntimeError(
            f"multi_margin_loss: expected input [n, classes] and target [n], "
            f"got {list(input.shape)} and {list(target.shape)}"
        )
    loss = relu(margin - x.gather(1, classes.unsqueeze(1)) + x)
    loss = loss * loss if p == 2 else loss
    loss = loss if weight is None else loss * take_rows(weight, classes).unsqueeze(1)
    others = arange(x.shape[1]) != classes.unsqueeze(1)
    loss = total(where(others, loss, 0.0), 1) / x.shape[1]
    return reduced(loss.reshape(target.shape), reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """sum over labels j and other classes i of max(0, 1 - x[j] + x[i]), over the number of classes.

    input [n, classes] or [classes]; int64 target of the same shape lists the labels, then -1.
    """
    if input.ndim > 2 or not may_agree(input.shape, target.shape):
        raise RuntimeError(
            f"multilabel_margin_loss: expected input and target [n, classes] or [classes], "
            f"got {list(input.shape)} and {list(target.shape)}"
        )
    x, labels = (input.reshape(1, -1), target.reshape(1, -1)) if input.ndim < 2 else (input, target)
    listed = cumsum((labels < 0).to(dtypes.int64), 1) == 0
    places = where(listed, labels, 0)
    is_label = zeros_like(x.detach()).scatter_add(1, places, listed.to(x.dtype)) > 0
    loss = relu(1 - x.gather(1, places).unsqueeze(2) + x.unsqueeze(1))
    counted = listed.unsqueeze(2) & ~is_label.unsqueeze(1)
    loss = total(where(counted, loss, 0.0), (1, 2)) / x.shape[1]
    return reduced(loss if input.ndim == 2 else loss.reshape(()), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of -(y log sigmoid(x) + (1 - y) log sigmoid(-x)), weighted by class."""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return reduced(mean(loss if weight is None else loss * weight, input.ndim - 1), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Distance | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(a, p) - d(a, n) + margin); with `swap` the smaller of d(a, n) and d(p, n) counts."""
    if margin <= 0:
        raise ValueError(f"triplet_margin_with_distance_loss: expected margin above 0, got {margin}")
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(relu(near - far + margin), reduction)
