"""Losses that bring the linear layer before them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from lampion.nn import functional as F
from lampion.nn.containers import ModuleList, Sequential
from lampion.nn.linear import Linear
from lampion.nn.module import Module, describe
from lampion.ops.shape import cat
from lampion.tensor import Tensor


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch cuts the batch to save memory. The loss is the same, and here the batch stays whole."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None


class LinearCrossEntropyLoss(Module):
    """`cross_entropy` of a linear layer's output: called with input [n, in_features] and target.

    `out_features` are more dims of the output behind the classes, each with its own target.
    """

    def __init__(
        self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (), bias: bool = False,
        device: Any = None, dtype: Any = None, reduction: str = "mean", weight: Tensor | None = None,
        ignore_index: int | None = None, label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.register_buffer("weight", weight)
        self.num_classes, self.out_features, self.options = num_classes, tuple(out_features), options
        self.reduction, self.ignore_index, self.label_smoothing = reduction, ignore_index, label_smoothing
        self.linear = Linear(in_features, num_classes * math.prod(self.out_features), bias, device, dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        rows = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input, self.linear.weight.reshape(*rows, -1), target, weight=self.weight, reduction=self.reduction,
            linear_bias=None if bias is None else bias.reshape(rows), ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing, options=self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return describe(self, [], num_classes=None, out_features=(), reduction="mean", label_smoothing=0.0)


class LogProbAndLoss(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` gives: the log probability of every target, and the mean loss."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log softmax over many classes, the rare ones in clusters of their own with smaller layers (Grave et al. 2016).

    Classes are sorted by frequency; clusters end at `cutoffs`, and cluster i has in_features / div_value ** (i + 1) hidden
    features. Every cluster is computed for every input, so that nothing depends on the targets. Raises ValueError for
    cutoffs that don't rise within the classes.
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Any, div_value: float = 4.0, head_bias: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        ends = list(cutoffs)
        if not ends or ends != sorted(set(ends)) or ends[0] < 1 or ends[-1] >= n_classes:
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: expected cutoffs that rise from 1 to below {n_classes}, got {ends}"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*ends, n_classes]
        self.div_value, self.head_bias, self.shortlist_size = div_value, head_bias, ends[0]
        self.n_clusters = len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (start, end) in enumerate(pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, False, device, dtype), Linear(hidden, end - start, False, device, dtype)
                )
            )

    def forward(self, input_: Tensor, target_: Tensor) -> LogProbAndLoss:
        """input [n, in_features] with int64 target [n], or both without n."""
        if input_.ndim != target_.ndim + 1 or target_.ndim > 1:
            raise RuntimeError(
                f"AdaptiveLogSoftmaxWithLoss: expected input [n, {self.in_features}] and target [n], or both without n, "
                f"got {list(input_.shape)} and {list(target_.shape)}"
            )
        output = self.log_prob(input_).gather(-1, target_.unsqueeze(-1)).squeeze(-1)
        return LogProbAndLoss(output, -output.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """[..., n_classes]: the log probability of every class."""
        head = F.log_softmax(self.head(input), -1)
        clusters = [
            F.log_softmax(layer(input), -1) + head[..., self.shortlist_size + i].unsqueeze(-1)
            for i, layer in enumerate(self.tail)
        ]
        return cat([head[..., : self.shortlist_size], *clusters], -1)

    def predict(self, input: Tensor) -> Tensor:
        """int64 [...]: the class of highest probability."""
        return self.log_prob(input).argmax(-1)
