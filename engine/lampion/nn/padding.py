"""Padding layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lampion.nn import functional as F
from lampion.nn.module import Module
from lampion.tensor import Tensor


class _Pad(Module):
    rank: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = (padding,) * 2 * self.rank if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class ConstantPad1d(_Pad):
    """`value` before and behind the last dim."""

    rank, mode = 1, "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)


class ConstantPad2d(ConstantPad1d):
    """`value` around the last two dims."""

    rank = 2


class ConstantPad3d(ConstantPad1d):
    """`value` around the last three dims."""

    rank = 3


class ZeroPad1d(_Pad):
    """Zeros before and behind the last dim."""

    rank, mode = 1, "constant"


class ZeroPad2d(_Pad):
    """Zeros around the last two dims."""

    rank, mode = 2, "constant"


class ZeroPad3d(_Pad):
    """Zeros around the last three dims."""

    rank, mode = 3, "constant"


class ReflectionPad1d(_Pad):
    """The mirror image before and behind the last dim."""

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The mirror image around the last two dims."""

    rank, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The mirror image around the last three dims."""

    rank, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The edge repeated before and behind the last dim."""

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edge repeated around the last two dims."""

    rank, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The edge repeated around the last three dims."""

    rank, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The other end before and behind the last dim."""

    rank, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The other end around the last two dims."""

    rank, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The other end around the last three dims."""

    rank, mode = 3, "circular"
