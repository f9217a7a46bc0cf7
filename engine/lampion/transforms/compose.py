"""Several transforms one after the other, split at export into what decoding does and what the graph does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lampion.nn.containers import Sequential
from lampion.nn.module import Module
from lampion.transforms.arithmetic import Arithmetic
from lampion.transforms.augmentation import Augmentation
from lampion.transforms.geometry import Geometry


class Compose(Module):
    """Transforms in order: geometry, then arithmetic, with augmentation anywhere before the arithmetic.

    `decode_part` is the geometry, which the card describes and the runtime does while decoding; `graph_part` the
    arithmetic, which becomes part of the graph; augmentation belongs to training alone, and in eval mode does nothing.
    Raises ValueError for geometry or augmentation behind arithmetic.
    """

    def __init__(self, transforms: Sequence[Module]) -> None:
        super().__init__()
        self.transforms = Sequential(*transforms)
        first = next((i for i, t in enumerate(transforms) if isinstance(t, Arithmetic)), len(transforms))
        for t in transforms[first:]:
            if isinstance(t, Geometry | Augmentation):
                raise ValueError(
                    f"Compose: expected {type(t).__name__} before {type(transforms[first]).__name__}: "
                    "geometry and augmentation work on uint8 images [..., height, width, channel]"
                )
        self._first = first

    def forward(self, images: Any) -> Any:
        return self.transforms(images)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.transforms)

    def __len__(self) -> int:
        return len(self.transforms)

    @property
    def decode_part(self) -> Compose:
        """The geometry before the arithmetic, without augmentation."""
        return Compose([t for t in list(self)[: self._first] if not isinstance(t, Augmentation)])

    @property
    def graph_part(self) -> Sequential:
        """The arithmetic, and whatever modules follow it: Tensor [n, height, width, channel] to the model's input."""
        return Sequential(*list(self)[self._first :])

    def card(self) -> dict[str, Any]:
        """The card's preprocessing, as far as these transforms tell. Raises ValueError for what a card can't describe."""
        geometry = list(self.decode_part)
        unknown = [type(t).__name__ for t in [*geometry, *self.graph_part] if not isinstance(t, Geometry | Arithmetic)]
        if unknown:
            raise ValueError(f"Compose: a card can't describe {', '.join(unknown)}; export it as part of the model")
        stages = [t.stage for t in geometry]
        if stages != sorted(set(stages)):
            names = ", ".join(type(t).__name__ for t in geometry)
            raise ValueError(f"Compose: a card has colour, one resize and one crop, in this order; got {names}")
        result: dict[str, Any] = {}
        for t in geometry:
            result |= t.card()
        return result | {"in_graph": [t.card() for t in self.graph_part]}
