"""AdamW: Adam whose weight decay doesn't pass through the running means."""

from __future__ import annotations

from typing import Any

from lampion.optim.adam import Adam
from lampion.optim.optimizer import Params


class AdamW(Adam):
    """p *= 1 - lr * weight_decay, then as Adam (Loshchilov and Hutter 2017)."""

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
