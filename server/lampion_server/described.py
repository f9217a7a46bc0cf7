"""What the rest of the server knows of whatever answers: one model file, or several wired together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from lampion_edge import Card, Golden, TensorSpec
from lampion_server.datatypes import Array
from lampion_server.tickets import Answer, Inputs, Names


class Described(Protocol):
    """What something takes and gives, and how a photo becomes its input; edge's `Session` is one of them."""

    @property
    def name(self) -> str: ...

    @property
    def golden(self) -> Golden | None: ...

    card: Card
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def prepare(self, photo: Any, *, max_pixels: int | None = None) -> dict[str, Array]: ...


class Computing(Protocol):
    """Who computes: `Scheduler` is one of them."""

    max_batch: int
    batching: bool

    @property
    def prepares(self) -> bool: ...

    @property
    def inline(self) -> bool: ...

    async def submit(
        self, inputs: Inputs, outputs: Names = None, deadline: float | None = None, priority: int = 0
    ) -> Answer: ...

    def check_room(self, rows: int = 1, deadline: float | None = None, priority: int = 0) -> float: ...

    def close(self) -> None: ...


Specs = Sequence[TensorSpec]
