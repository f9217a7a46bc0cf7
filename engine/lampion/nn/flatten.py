"""Modules that only reshape, or do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
