"""Dropout layers: they drop while training and do nothing otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from lampion.nn import functional as F
from lampion.nn.functional.dropout import check_probability
from lampion.nn.module import Module
from lampion.tensor import Tensor


class Dropout(Module):
    """Every element is 0 with probability p, else x / (1 - p) (Srivastava et al. 2014)."""

    function: ClassVar[Callable[..., Tensor]] = F.dropout

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(type(self).__name__, p)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """Drops whole channels of [n, c, length]."""

    function = F.dropout1d


class Dropout2d(Dropout):
    """Drops whole channels of [n, c, height, width]."""

    function = F.dropout2d


class Dropout3d(Dropout):
    """Drops whole channels of [n, c, depth, height, width]."""

    function = F.dropout3d


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1 behind a SELU (Klambauer et al. 2017)."""

    function = F.alpha_dropout


class FeatureAlphaDropout(Dropout):
    """`AlphaDropout` of whole channels of [n, c, ...]."""

    function = F.feature_alpha_dropout
