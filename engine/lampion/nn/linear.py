"""Affine maps."""

from __future__ import annotations

import math
from typing import Any

from lampion.nn import functional as F
from lampion.nn import init
from lampion.nn.module import Module, describe
from lampion.nn.parameter import Parameter
from lampion.ops.create import check_device, empty
from lampion.tensor import Tensor


class Linear(Module):
    """x [..., in_features] -> x @ weight.T + bias [..., out_features]"""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        check_device(device)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias uniformly from [-1 / sqrt(in), 1 / sqrt(in))."""
        reset(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self._parameters['bias'] is not None}"
        )


class Bilinear(Module):
    """x1 [..., in1], x2 [..., in2] -> x1 @ weight[o] @ x2 + bias[o], [..., out]"""

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(empty(out_features, in1_features, in2_features, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias uniformly from [-1 / sqrt(in1), 1 / sqrt(in1))."""
        bound = 1 / math.sqrt(self.in1_features)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return describe(self, ["in1_features", "in2_features", "out_features"])


def reset(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's start of linear and convolution layers: uniform within 1 / sqrt(fan_in), weight and bias."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init.fans(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        init.uniform_(bias, -bound, bound)
