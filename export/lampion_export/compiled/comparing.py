"""The same call as Python and as a graph, beside each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lampion.ops.random import Generator, default_generator
from lampion.tensor import Tensor
from lampion_export.compiled.arguments import flattened
from lampion_export.compiled.reach import Reached
from lampion_export.errors import MismatchError

RELATIVE, ABSOLUTE = 1e-3, 1e-5


def compared(
    function: Callable[..., Any], compiled: Callable[[], Any], reached: Reached, args: Any, kwargs: Any
) -> Any:
    """What `compiled` gives, once it is known that `function` gives and leaves behind the same. Raises MismatchError."""
    before = _Kept(reached)
    expected = _numbers(function(*args, **kwargs), reached)
    before.put_back()
    result = compiled()
    for (what, want), (_, got) in zip(expected, _numbers(result, reached), strict=True):
        if not np.allclose(want, got, RELATIVE, ABSOLUTE, equal_nan=True):
            off = float(np.nanmax(np.abs(np.asarray(want, np.float64) - np.asarray(got, np.float64))))
            raise MismatchError(
                f"compile: {what} of shape {list(want.shape)} differs by up to {off:.3g} from what Python computes"
            )
    return result


class _Kept:
    """The numbers and gradients of Tensors, and where the generator stood."""

    def __init__(self, reached: Reached) -> None:
        self.state = [(t, t._value.data.copy(), t._value.grad) for t in reached.state]
        self.generator: Generator = default_generator
        self.drawn = self.generator.get_state()

    def put_back(self) -> None:
        for t, numbers, grad in self.state:
            t._value.data, t._value.grad = numbers, grad
        self.generator.set_state(self.drawn)


def _numbers(result: Any, reached: Reached) -> list[tuple[str, Any]]:
    """All that a call gave and left behind, in copies."""
    leaves: list[Tensor] = []
    flattened(result, leaves)
    found = [(f"result {i}", t._value.data) for i, t in enumerate(leaves)]
    found += [(f"state {i}", t._value.data.copy()) for i, t in enumerate(reached.state)]
    grads = [(i, t.grad) for i, t in enumerate(reached.state) if t.grad is not None]
    return found + [(f"gradient {i}", g._value.data.copy()) for i, g in grads]
