"""Pooling layers."""

from __future__ import annotations

from typing import Any, ClassVar

from lampion.nn.functional.adaptive import adaptive_max_pool
from lampion.nn.module import Module, describe
from lampion.ops.conv import Many
from lampion.ops.pool import adaptive_avg_pool, avg_pool, max_pool
from lampion.tensor import Tensor


class _MaxPool(Module):
    rank: ClassVar[int]

    def __init__(
        self, kernel_size: Many, stride: Many | None = None, padding: Many = 0, dilation: Many = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return max_pool(
            self.rank, input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return describe(
            self, [], kernel_size=None, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of [n, c, length]."""

    rank = 1


class MaxPool2d(_MaxPool):
    """The largest element of each window of [n, c, height, width]."""

    rank = 2


class MaxPool3d(_MaxPool):
    """The largest element of each window of [n, c, depth, height, width]."""

    rank = 3


class _AvgPool(Module):
    rank: ClassVar[int]

    def __init__(
        self, kernel_size: Many, stride: Many | None = None, padding: Many = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool(
            self.rank, input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return describe(
            self, [], kernel_size=None, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
            divisor_override=None,
        )  # fmt: skip


class AvgPool1d(_AvgPool):
    """The mean of each window of [n, c, length]."""

    rank = 1

    def __init__(
        self, kernel_size: Many, stride: Many | None = None, padding: Many = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of each window of [n, c, height, width]."""

    rank = 2


class AvgPool3d(_AvgPool):
    """The mean of each window of [n, c, depth, height, width]."""

    rank = 3


# ---- to a given size ------------------------------------------------------------------------------------------------


class _Adaptive(Module):
    rank: ClassVar[int]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(_Adaptive):
    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool(self.rank, input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of windows chosen so that [n, c, length] becomes [n, c, output_size]."""

    rank = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of windows chosen so that [n, c, height, width] becomes [n, c, *output_size]; None keeps a size."""

    rank = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of windows chosen so that [n, c, d, h, w] becomes [n, c, *output_size]; None keeps a size."""

    rank = 3


class _AdaptiveMaxPool(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool(self.rank, input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest elements of windows chosen so that [n, c, length] becomes [n, c, output_size]."""

    rank = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest elements of windows chosen so that [n, c, height, width] becomes [n, c, *output_size]."""

    rank = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Largest elements of windows chosen so that [n, c, d, h, w] becomes [n, c, *output_size]."""

    rank = 3
