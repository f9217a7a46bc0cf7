"""Pooling by the p-norm, at random steps, and max pooling taken back."""

from __future__ import annotations

from typing import Any, ClassVar

from lampion.nn.functional.adaptive import fractional_max_pool2d, fractional_max_pool3d
from lampion.nn.functional.unpool import lp_pool, max_unpool
from lampion.nn.module import Module, describe
from lampion.ops.conv import Many
from lampion.tensor import Tensor


class _LPPool(Module):
    rank: ClassVar[int]

    def __init__(
        self, norm_type: float, kernel_size: Many, stride: Many | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return lp_pool(self.rank, input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return describe(self, [], norm_type=None, kernel_size=None, stride=None, ceil_mode=None)


class LPPool1d(_LPPool):
    """The p-norm of each window of [n, c, length]."""

    rank = 1


class LPPool2d(_LPPool):
    """The p-norm of each window of [n, c, height, width]."""

    rank = 2


class LPPool3d(_LPPool):
    """The p-norm of each window of [n, c, depth, height, width]."""

    rank = 3


# ---- back -----------------------------------------------------------------------------------------------------------


class _MaxUnpool(Module):
    rank: ClassVar[int]

    def __init__(self, kernel_size: Many, stride: Many | None = None, padding: Many = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """What max pooling took, with the places that it gave; zeros elsewhere."""
        return max_unpool(self.rank, input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return describe(self, [], kernel_size=None, stride=None, padding=None)


class MaxUnpool1d(_MaxUnpool):
    """The inverse of `MaxPool1d` with return_indices, zeros elsewhere."""

    rank = 1


class MaxUnpool2d(_MaxUnpool):
    """The inverse of `MaxPool2d` with return_indices, zeros elsewhere."""

    rank = 2


class MaxUnpool3d(_MaxUnpool):
    """The inverse of `MaxPool3d` with return_indices, zeros elsewhere."""

    rank = 3


# ---- fractional -----------------------------------------------------------------------------------------------------


class _FractionalMaxPool(Module):
    function: ClassVar[Any]

    def __init__(
        self, kernel_size: Many, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{type(self).__name__}: expected either output_size or output_ratio")
        self.kernel_size, self.output_size, self.output_ratio = kernel_size, output_size, output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )

    def extra_repr(self) -> str:
        return describe(self, [], kernel_size=None, output_size=None, output_ratio=None)


class FractionalMaxPool2d(_FractionalMaxPool):
    """Largest elements of windows of [n, c, height, width] at steps drawn at random (Graham 2014)."""

    function = fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPool):
    """Largest elements of windows of [n, c, d, h, w] at steps drawn at random (Graham 2014)."""

    function = fractional_max_pool3d
