"""Losses as modules: the functions of `lampion.nn.functional` with their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lampion.nn import functional as F
from lampion.nn.distance import PairwiseDistance
from lampion.nn.module import Module
from lampion.tensor import Tensor


class _Loss(Module):
    """Base: a function, and the attributes that it takes as keywords besides `reduction`."""

    function: ClassVar[Callable[..., Tensor]]
    settings: ClassVar[tuple[str, ...]] = ()
    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self.reductions:
            raise ValueError(
                f"{type(self).__name__}: expected reduction {', '.join(map(repr, self.reductions))}, got {reduction!r}"
            )
        self.reduction = reduction

    def forward(self, *inputs: Tensor) -> Tensor:
        settings = {name: getattr(self, name) for name in self.settings}
        return type(self).function(*inputs, **settings, reduction=self.reduction)


class _Weighted(_Loss):
    """Base of those that weigh classes or elements; the weight is a buffer."""

    def __init__(self, weight: Tensor | None, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


# ---- classes --------------------------------------------------------------------------------------------------------


class CrossEntropyLoss(_Weighted):
    """-log softmax(logits)[class]; see `lampion.nn.functional.cross_entropy`."""

    function = F.cross_entropy
    settings = ("weight", "ignore_index", "label_smoothing")

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing


class NLLLoss(_Weighted):
    """-input[class] for log probabilities; see `lampion.nn.functional.nll_loss`."""

    function = F.nll_loss
    settings = ("weight", "ignore_index")

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index


# ---- numbers --------------------------------------------------------------------------------------------------------


class MSELoss(_Loss):
    """(x - y)^2"""

    function = F.mse_loss


class L1Loss(_Loss):
    """|x - y|"""

    function = F.l1_loss


class SmoothL1Loss(_Loss):
    """d^2 / (2 beta) where d = |x - y| < beta, else d - beta / 2"""

    function = F.smooth_l1_loss
    settings = ("beta",)

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta


class HuberLoss(_Loss):
    """d^2 / 2 where d = |x - y| < delta, else delta (d - delta / 2)"""

    function = F.huber_loss
    settings = ("delta",)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta


class PoissonNLLLoss(_Loss):
    """exp(x) - y x, or x - y log(x + eps) without log_input"""

    function = F.poisson_nll_loss
    settings = ("log_input", "full", "eps")

    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-08, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps


class GaussianNLLLoss(_Loss):
    """(log(v) + (x - y)^2 / v) / 2, called with x, y and v"""

    function = F.gaussian_nll_loss
    settings = ("full", "eps")

    def __init__(self, *, full: bool = False, eps: float = 1e-06, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps


# ---- probabilities --------------------------------------------------------------------------------------------------


class BCELoss(_Weighted):
    """-(y log(x) + (1 - y) log(1 - x))"""

    function = F.binary_cross_entropy
    settings = ("weight",)

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)


class BCEWithLogitsLoss(_Weighted):
    """`BCELoss` of sigmoid(x), without overflow"""

    function = F.binary_cross_entropy_with_logits
    settings = ("weight", "pos_weight")

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)


class KLDivLoss(_Loss):
    """y (log(y) - x) for log probabilities x"""

    function = F.kl_div
    settings = ("log_target",)
    reductions = (*_Loss.reductions, "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target


# ---- pairs ----------------------------------------------------------------------------------------------------------


class MarginRankingLoss(_Loss):
    """max(0, -y (x1 - x2) + margin)"""

    function = F.margin_ranking_loss
    settings = ("margin",)

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class HingeEmbeddingLoss(_Loss):
    """x where y = 1, max(0, margin - x) where y = -1"""

    function = F.hinge_embedding_loss
    settings = ("margin",)

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class SoftMarginLoss(_Loss):
    """log(1 + exp(-y x))"""

    function = F.soft_margin_loss


class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1"""

    function = F.cosine_embedding_loss
    settings = ("margin",)

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class TripletMarginLoss(_Loss):
    """max(0, |a - p| - |a - n| + margin)"""

    function = F.triplet_margin_loss
    settings = ("margin", "p", "eps", "swap")

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-06, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, d(a, p) - d(a, n) + margin) for a distance d, by default the 2-norm"""

    function = F.triplet_margin_with_distance_loss
    settings = ("distance_function", "margin", "swap")

    def __init__(
        self, *, distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
        swap: bool = False, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(reduction)
        self.distance_function = distance_function or PairwiseDistance()
        self.margin, self.swap = margin, swap


# ---- margins of classes and labels ----------------------------------------------------------------------------------


class MultiMarginLoss(_Weighted):
    """The sum over classes i of weight[y] max(0, margin - x[y] + x[i]) ** p, over the number of classes."""

    function = F.multi_margin_loss
    settings = ("p", "margin", "weight")

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.p, self.margin = p, margin


class MultiLabelMarginLoss(_Loss):
    """The sum over labels j and other classes i of max(0, 1 - (x[j] - x[i])), over the number of classes."""

    function = F.multilabel_margin_loss


class MultiLabelSoftMarginLoss(_Weighted):
    """The mean over classes of `BCEWithLogitsLoss`."""

    function = F.multilabel_soft_margin_loss
    settings = ("weight",)

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)


# ---- sequences ------------------------------------------------------------------------------------------------------


class CTCLoss(_Loss):
    """-log of the probability of a target over all its alignments; see `lampion.nn.functional.ctc_loss`."""

    function = F.ctc_loss
    settings = ("blank", "zero_infinity")

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any) -> Tensor:  # type: ignore[override]
        """The lengths are tensors or tuples of numbers."""
        return super().forward(log_probs, targets, input_lengths, target_lengths)
