"""Modules that only reshape, or do nothing, and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lampion.nn import functional as F
from lampion.nn.module import Module, describe
from lampion.tensor import Tensor


class Identity(Module):
    """Gives back what it gets; takes and forgets any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """Joins the dims from start_dim to end_dim: by default all but the batch."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return describe(self, [], start_dim=None, end_dim=None)


class Unflatten(Module):
    """Splits `dim` into `unflattened_size`."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return describe(self, [], dim=None, unflattened_size=None)


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


class ReflectionPad1d(_Pad):
    """The mirror image before and behind the last dim."""

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The mirror image around the last two dims."""

    rank, mode = 2, "reflect"


class ReplicationPad1d(_Pad):
    """The edge repeated before and behind the last dim."""

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edge repeated around the last two dims."""

    rank, mode = 2, "replicate"


class CircularPad1d(_Pad):
    """The other end before and behind the last dim."""

    rank, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The other end around the last two dims."""

    rank, mode = 2, "circular"
