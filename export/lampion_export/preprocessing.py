"""The arithmetic of training transforms in front of a model, so that a file takes uint8 images as they are decoded."""

from __future__ import annotations

from typing import Any

from lampion.nn.module import Module
from lampion.tensor import Tensor
from lampion.transforms import Compose
from lampion_export.errors import ExportError


class Preprocessed(Module):
    """A model behind the arithmetic of its training transforms: uint8 images [batch, height, width, channel] in."""

    def __init__(self, model: Module, transform: Module) -> None:
        super().__init__()
        self.model = model
        self.transform = transform

    def forward(self, image: Tensor) -> Any:
        """The model's answer to raw images."""
        return self.model(self.transform(image))


def graph_part(transform: Any) -> Module:
    """What of the transforms belongs into the graph. Raises ExportError for anything but a Compose."""
    if not isinstance(transform, Compose):
        raise ExportError(f"transform: expected a lampion.transforms.Compose, got {type(transform).__name__}")
    return transform.graph_part
