"""Losses. `reduction` is "mean", "sum" or "none" for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lampion import dtypes
from lampion.nn.functional.activation import log_softmax, logsigmoid
from lampion.nn.functional.linear import cosine_similarity, linear, pairwise_distance
from lampion.ops.analysis import exp, log
from lampion.ops.arithmetic import abs, clamp, minimum, relu
from lampion.ops.comparison import where
from lampion.ops.create import arange, full_like
from lampion.ops.fused import Arrays, Fused, alike, numbers
from lampion.ops.reduce import mean
from lampion.ops.reduce import sum as total
from lampion.symbolic import may_agree
from lampion.tape import Array, grad_mode
from lampion.tensor import Tensor


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum or the loss itself. Raises ValueError for another reduction."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return total(loss)
    if reduction != "none":
        raise ValueError(f"reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")
    return loss


# ---- classes --------------------------------------------------------------------------------------------------------


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """-log softmax(logits)[class], logits [n, classes, ...] or [classes].

    `target` holds int classes [n, ...], of which those equal to `ignore_index` don't count, or probabilities in the shape
    of the logits. The mean is weighted by the classes' weights. `label_smoothing` e takes the target probabilities as
    (1 - e) target + e / classes.
    """
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: expected label_smoothing between 0 and 1, got {label_smoothing}")
    dim = 0 if input.ndim == 1 else 1
    usual = weight is None and label_smoothing == 0 and input.ndim > 1 and reduction in ("mean", "sum", "none")
    if usual and target.dtype.category == dtypes.INTEGER:
        _check_classes(input, target, ignore_index, dim)
        loss: Tensor = CrossEntropy(ignore_index, reduction)(input, target)
        return loss
    logp = log_softmax(input, dim)
    if target.is_floating_point():
        return _soft_cross_entropy(logp, target, weight, reduction, label_smoothing, dim)
    hard = nll_loss(logp, target, weight, ignore_index, reduction)
    if label_smoothing == 0:
        return hard
    weighted = logp if weight is None else logp * _over(dim, weight, logp)
    smooth = where(target == ignore_index, 0.0, -total(weighted, dim))
    if reduction == "mean":
        smooth = total(smooth) / total(_weights(target, weight, ignore_index, logp))
    else:
        smooth = reduced(smooth, reduction)
    return (1 - label_smoothing) * hard + label_smoothing / input.shape[dim] * smooth


SMALL = 8192  # scores


class CrossEntropy(Fused):
    """Logits [n, classes, ...] and int classes [n, ...] to the loss, without the logarithms in between."""

    def __init__(self, ignore_index: int, reduction: str) -> None:
        self.ignore_index, self.reduction = ignore_index, reduction

    def plain(self, *inputs: Tensor) -> Tensor:
        x, target = inputs
        logp = log_softmax(x, 1)
        if x.ndim != 2 or not self._is_small(x.shape):
            return nll_loss(logp, target, None, self.ignore_index, self.reduction)
        hits = target.unsqueeze(1) == arange(x.shape[1])  # none in a row that doesn't count
        if self.reduction == "mean":
            return -total(where(hits, logp, 0.0)) / total(hits.to(x.dtype))
        return reduced(-total(where(hits, logp, 0.0), 1), self.reduction)

    def _is_small(self, shape: Any) -> bool:
        """Whether comparing every score with its class is quicker than to gather those of the classes, and scatter back."""
        n, classes = shape
        return type(n) is int and type(classes) is int and n * classes <= SMALL and not 0 <= self.ignore_index < classes

    def has_kernel(self, *inputs: Tensor) -> bool:
        return alike(inputs[0])

    def kernel(self, x: Array, target: Array) -> Any:
        rows, classes = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]), target.reshape(-1)
        with np.errstate(
            invalid="ignore", divide="ignore"
        ):  # nothing but -inf gives nan, and so does a mean of nothing
            top = rows.max(-1, keepdims=True, initial=-np.inf)
            shares = np.exp(rows - top)
            total = shares.sum(-1, keepdims=True)
            shares /= total
            places, counts = self._counted(classes)
            losses = (np.log(total) + top)[:, 0] - rows[np.arange(len(rows)), places]
            losses = losses if counts is None else np.where(counts, losses, 0)
            if self.reduction == "none":
                loss = losses.reshape(target.shape)
            else:
                loss = losses.sum()
                loss = loss / x.dtype.type(_number_of(classes, counts)) if self.reduction == "mean" else loss
        return (np.asarray(loss, x.dtype), shares) if grad_mode.enabled else np.asarray(loss, x.dtype)

    def kernel_gradient(self, sent: Arrays, given: Any, inputs: Any, wanted: Sequence[bool]) -> Arrays:
        shares, (x, target) = numbers(given[1]), inputs
        classes = numbers(target).reshape(-1)
        places, counts = self._counted(classes)
        g: Any = sent[0] if sent[0] is not None else np.zeros_like(given[0])
        if self.reduction == "mean":
            g = g / max(_number_of(classes, counts), 1)
        g = np.broadcast_to(g.reshape(-1), classes.shape) if counts is None else np.where(counts, g.reshape(-1), 0)
        dx = shares * g[:, None]
        dx[np.arange(len(dx)), places] -= g
        if x.ndim > 2:
            dx = np.ascontiguousarray(np.moveaxis(dx.reshape(*target.shape, x.shape[1]), -1, 1))
        return dx.astype(x.dtype, copy=False), None

    def _counted(self, classes: Array) -> tuple[Array, Array | None]:
        """The classes, and which of them count if not all do."""
        counts = classes != self.ignore_index
        return (classes, None) if counts.all() else (np.where(counts, classes, 0), counts)


def _number_of(classes: Array, counts: Array | None) -> int:
    return len(classes) if counts is None else int(counts.sum())


def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
    weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0, options: Any = None,
) -> Tensor:  # fmt: skip
    """`cross_entropy` of a linear layer's output: input [n, in] or [in], linear_weight [classes, *out, in].

    PyTorch's `options` say how the batch is cut to save memory, not what comes out: here it stays whole.
    """
    if input.ndim not in (1, 2) or linear_weight.ndim < 2 or (linear_weight.ndim > 2 and input.ndim == 1):
        raise RuntimeError(
            f"linear_cross_entropy: expected input [n, in] and linear_weight [classes, ..., in], "
            f"got {list(input.shape)} and {list(linear_weight.shape)}"
        )
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError("linear_cross_entropy: ignore_index has no meaning where target holds probabilities")
    rows = linear_weight.shape[:-1]
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias).reshape(*input.shape[:-1], *rows)
    return cross_entropy(
        logits, target, weight, -100 if ignore_index is None else ignore_index, reduction, label_smoothing
    )


def _soft_cross_entropy(
    logp: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, dim: int
) -> Tensor:
    _same_shape("cross_entropy", logp, target)
    classes = logp.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    loss = -total(logp * target if weight is None else logp * target * _over(dim, weight, logp), dim)
    return reduced(loss, reduction)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-input[class] for log probabilities [n, classes, ...] or [classes] and int classes [n, ...].

    The mean is weighted by the classes' weights. Raises RuntimeError for shapes and dtypes that don't fit, IndexError for a
    class that does not exist.
    """
    dim = 0 if input.ndim == 1 else 1
    _check_classes(input, target, ignore_index, dim)
    if weight is not None and tuple(weight.shape) != (input.shape[dim],):
        raise RuntimeError(f"nll_loss: expected weight [{input.shape[dim]}], one a class, got {list(weight.shape)}")
    counts = _weights(target, weight, ignore_index, input)
    safe = where(target == ignore_index, 0, target).to(dtypes.int64)
    loss = where(target == ignore_index, 0.0, -input.gather(dim, safe.unsqueeze(dim)).squeeze(dim) * counts)
    return total(loss) / total(counts) if reduction == "mean" else reduced(loss, reduction)


def _weights(target: Tensor, weight: Tensor | None, ignore_index: int, like: Tensor) -> Tensor:
    """How much every target counts."""
    counted = target != ignore_index
    if weight is None:
        return counted.to(like.dtype)
    return where(counted, weight[where(counted, target, 0)], 0.0)


def _check_classes(input: Tensor, target: Tensor, ignore_index: int, dim: int) -> None:
    if target.dtype.category != dtypes.INTEGER:
        raise RuntimeError(
            f"cross_entropy: expected int64 classes or floating point probabilities as target, got {target.dtype}"
        )
    expected = [*input.shape[:dim], *input.shape[dim + 1 :]]
    if not input.ndim or not may_agree(tuple(expected), target.shape):
        raise RuntimeError(
            f"cross_entropy: expected target {expected} for input {list(input.shape)}, got {list(target.shape)}"
        )
    classes, known = target._value.data, input.shape[dim]
    if isinstance(classes, np.ndarray) and classes.size and not (classes.min() >= 0 and classes.max() < known):
        bad = classes[((classes < 0) | (classes >= known)) & (classes != ignore_index)]
        if bad.size:
            raise IndexError(f"cross_entropy: target {bad[0]} is out of bounds for {known} classes")


def _over(dim: int, weight: Tensor, like: Tensor) -> Tensor:
    return weight.reshape(-1, *[1] * (like.ndim - 1 - dim))


# ---- numbers --------------------------------------------------------------------------------------------------------


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(x - y)^2"""
    _same_shape("mse_loss", input, target)
    difference = input - target
    return reduced(difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|x - y|"""
    _same_shape("l1_loss", input, target)
    return reduced(abs(input - target), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where d = |x - y| < beta, else d - beta / 2"""
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: expected beta >= 0, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    _same_shape("smooth_l1_loss", input, target)
    d = abs(input - target)
    return reduced(where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d^2 / 2 where d = |x - y| < delta, else delta (d - delta / 2)"""
    if delta <= 0:
        raise RuntimeError(f"huber_loss: expected delta > 0, got {delta}")
    _same_shape("huber_loss", input, target)
    d = abs(input - target)
    return reduced(where(d < delta, d * d * 0.5, (d - 0.5 * delta) * delta), reduction)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, eps: float = 1e-08,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(x) - y x (or x - y log(x + eps)); `full` adds Stirling's approximation of log(y!)."""
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        stirling = target * log(target) - target + 0.5 * log(2 * math.pi * target)
        loss = loss + where(target > 1, stirling, 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-06, reduction: str = "mean"
) -> Tensor:
    """(log(v) + (x - y)^2 / v) / 2 with v = max(var, eps), the gradient passing by the maximum.

    `var` is a number, or in the shape of x, of which the last dim may be 1 or missing.
    """
    if not isinstance(var, Tensor):
        var = full_like(input, var)
    elif var.ndim == input.ndim - 1:
        var = var.unsqueeze(-1)
    limited = var + (clamp(var, min=eps) - var).detach()
    difference = input - target
    loss = 0.5 * (log(limited) + difference * difference / limited)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


# ---- probabilities --------------------------------------------------------------------------------------------------


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(y log(x) + (1 - y) log(1 - x)), each logarithm taken to be at least -100."""
    _same_shape("binary_cross_entropy", input, target)
    loss = -(target * _bounded_log(input) + (1 - target) * _bounded_log(1 - input))
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`binary_cross_entropy` of sigmoid(x), without overflow; `pos_weight` multiplies what y = 1 costs."""
    _same_shape("binary_cross_entropy_with_logits", input, target)
    positive = target if pos_weight is None else target * pos_weight
    loss = (1 - target) * input - (1 - target + positive) * logsigmoid(input)
    return reduced(loss if weight is None else loss * weight, reduction)


def _bounded_log(x: Tensor) -> Tensor:
    """log(x), at least -100. No logarithm of 0 is taken, whose gradient would be nan."""
    normal = x > math.exp(-100)
    return where(normal, log(where(normal, x, 1.0)), -100.0)


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """y (log(y) - x) for log probabilities x; "batchmean" divides the sum by the size of dim 0."""
    if log_target:
        loss = exp(target) * (target - input)
    else:
        loss = where(target == 0, 0.0, target * log(where(target == 0, 1.0, target))) - target * input
    return total(loss) / (input.shape[0] if input.ndim else 1) if reduction == "batchmean" else reduced(loss, reduction)


# ---- pairs ----------------------------------------------------------------------------------------------------------


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """max(0, -y (x1 - x2) + margin)"""
    return reduced(relu(-target * (input1 - input2) + margin), reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where y = 1, max(0, margin - x) where y = -1"""
    near = where(target == -1, 0.0, input)
    return reduced(near + where(target == 1, 0.0, relu(margin - input)), reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-y x))"""
    return reduced(-logsigmoid(target * input), reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1"""
    cos = cosine_similarity(input1, input2, input1.ndim - 1)
    near = where(target == 1, 1 - cos, 0.0)
    return reduced(near + where(target == -1, relu(cos - margin), 0.0), reduction)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-06,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, |a - p| - |a - n| + margin); with `swap` the smaller of |a - n| and |p - n| counts."""
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(relu(near - far + margin), reduction)


def _same_shape(who: str, input: Tensor, target: Any) -> None:
    if not may_agree(input.shape, target.shape):
        raise ValueError(f"{who}: expected target {list(input.shape)} as input, got {list(target.shape)}")
