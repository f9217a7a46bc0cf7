"""Modules that move elements between channels, space and columns, or change the size of images."""

from __future__ import annotations

from typing import Any

from lampion.nn import functional as F
from lampion.nn.module import Module, describe
from lampion.ops.conv import Many
from lampion.tensor import Tensor


class PixelShuffle(Module):
    """[..., c r r, h, w] -> [..., c, h r, w r] (Shi et al. 2016)"""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """[..., c, h r, w r] -> [..., c r r, h, w]"""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels (dim 1) dealt out to `groups` in turn (Zhang et al. 2017)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """[n, c, h, w] -> [n, c kh kw, windows]: every window as a column."""

    def __init__(self, kernel_size: Many, dilation: Many = 1, padding: Many = 0, stride: Many = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return describe(self, [], kernel_size=None, dilation=None, padding=None, stride=None)


class Fold(Module):
    """[n, c kh kw, windows] -> [n, c, *output_size]: columns put back as windows, overlaps summed."""

    def __init__(
        self, output_size: Many, kernel_size: Many, dilation: Many = 1, padding: Many = 0, stride: Many = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return describe(self, [], output_size=None, kernel_size=None, dilation=None, padding=None, stride=None)


class LocalResponseNorm(Module):
    """x / (k + alpha mean(x^2 of `size` neighbouring channels)) ** beta (Krizhevsky et al. 2012)"""

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return describe(self, ["size"], alpha=None, beta=None, k=None)


# ---- sizes ----------------------------------------------------------------------------------------------------------


class Upsample(Module):
    """[n, c, *sizes] at another size; see `lampion.nn.functional.interpolate`."""

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        return describe(self, [], size=None, scale_factor=None, mode="")


class UpsamplingNearest2d(Upsample):
    """[n, c, h, w] at another size by the nearest element."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """[n, c, h, w] at another size by lines between the nearest elements, with aligned corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)
