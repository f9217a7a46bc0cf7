"""What every mode of quantization is: layers, and the model with all of them converted but some."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

import numpy as np
import onnx

Array = np.ndarray[Any, Any]
Batch = dict[str, Array]
Tick = Callable[[], object]


class Scheme(Protocol):
    """`layers` are the names of the nodes that can be left in float, in the order they run."""

    layers: list[str]

    def convert(self, left: Collection[str]) -> onnx.ModelProto:
        """The model with all layers converted but those in `left`."""
