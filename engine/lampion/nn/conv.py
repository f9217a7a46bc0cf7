"""Convolution layers."""

from __future__ import annotations

from typing import Any, ClassVar

from lampion.nn import functional as F
from lampion.nn.linear import reset
from lampion.nn.module import Module, describe
from lampion.nn.parameter import Parameter
from lampion.ops.conv import Many, convolve, convolve_transposed, many
from lampion.ops.create import check_device, empty
from lampion.tensor import Tensor

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """Base of all convolutions: settings, weight and bias."""

    rank: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Many, stride: Many, padding: Many | str,
        dilation: Many, groups: int, bias: bool, padding_mode: str, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        who = type(self).__name__
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{who}: expected channels divisible by groups {groups}, got {in_channels} in and {out_channels} out"
            )
        if padding_mode not in (PADDING_MODES[:1] if self.transposed else PADDING_MODES):
            raise ValueError(
                f"{who}: expected padding_mode {PADDING_MODES}, transposed only zeros, got {padding_mode!r}"
            )
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise ValueError(f"{who}: expected padding 'valid', 'same' or numbers, got {padding!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = many(kernel_size, self.rank, who)
        self.stride, self.dilation = many(stride, self.rank, who), many(dilation, self.rank, who)
        self.padding: Any = padding if isinstance(padding, str) else many(padding, self.rank, who)
        self.output_padding: tuple[int, ...] = (0,) * self.rank
        self.groups, self.padding_mode = groups, padding_mode
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(empty(first, second // groups, *self.kernel_size, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias uniformly from [-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
        reset(self.weight, self.bias)

    def extra_repr(self) -> str:
        zero, one = (0,) * self.rank, (1,) * self.rank
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        rest = describe(
            self, [], padding=zero, dilation=one, output_padding=zero, groups=1, padding_mode="zeros"
        )  # fmt: skip
        bias = "" if self._parameters["bias"] is not None else "bias=False"
        return ", ".join(t for t in (text, rest, bias) if t)


class _ConvNd(_Conv):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Many, stride: Many = 1, padding: Many | str = 0,
        dilation: Many = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._around(), self.padding_mode)
            padding = 0
        return convolve(self.rank, input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _around(self) -> list[int]:
        """(before, after) of every spatial dim, the last first, as `pad` wants it."""
        if self.padding == "valid":
            return [0] * 2 * self.rank
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [n for t in reversed(total) for n in (t // 2, t - t // 2)]
        return [p for p in reversed(self.padding) for _ in range(2)]


class Conv1d(_ConvNd):
    """x [n, in, length] (or without n) -> [n, out, length']"""

    rank = 1


class Conv2d(_ConvNd):
    """x [n, in, height, width] (or without n) -> [n, out, height', width']"""

    rank = 2


class Conv3d(_ConvNd):
    """x [n, in, depth, height, width] (or without n) -> [n, out, depth', height', width']"""

    rank = 3


class _ConvTransposeNd(_Conv):
    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Many, stride: Many = 1, padding: Many = 0,
        output_padding: Many = 0, groups: int = 1, bias: bool = True, dilation: Many = 1, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = many(output_padding, self.rank, type(self).__name__)

    def forward(self, input: Tensor) -> Tensor:
        return convolve_transposed(
            self.rank, input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups,
            self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`: x [n, in, length] -> [n, out, length']"""

    rank = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of `Conv2d`: x [n, in, height, width] -> [n, out, height', width']"""

    rank = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`: x [n, in, depth, height, width] -> [n, out, depth', height', width']"""

    rank = 3
