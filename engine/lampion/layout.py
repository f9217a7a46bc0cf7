"""How elements lie in memory, by PyTorch's names. Numbers never depend on it."""

from __future__ import annotations


class layout:  # noqa: N801 - torch.layout is spelt so
    """A kind of storage. There is one: `lampion.strided`, a dense array."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"lampion.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class memory_format:  # noqa: N801 - torch.memory_format is spelt so
    """An order of elements in memory: `order` is that of the dims, None for any."""

    def __init__(self, name: str, order: tuple[int, ...] | None = None) -> None:
        self.name, self.order = name, order

    def __repr__(self) -> str:
        return f"lampion.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided = layout("strided")
preserve_format = memory_format("preserve_format")
contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last", (0, 2, 3, 1))
channels_last_3d = memory_format("channels_last_3d", (0, 2, 3, 4, 1))
