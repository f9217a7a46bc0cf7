"""What optimizers do in memory themselves once a graph has run: numpy takes the formula through the cache piece by piece, where
a graph of plain ops goes through all of memory for each. benchmarks/lowering.py measures both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lampion.optim.optimizer import Optimizer
from lampion.symbolic import Spec
from lampion.symbolic_float import SymFloat
from lampion.tape import Array, Node, Primitive, Value, depth
from lampion.tensor import Tensor
from lampion_export.compiled.slots import Slot


class Afterwards(Primitive):
    """What a Tensor will be once an optimizer has updated it by a gradient. No graph computes it, so none may ask for it."""

    def infer(self, before: Any, gradient: Any) -> Spec:
        return Spec(before.shape, before.dtype)


@dataclass
class Update:
    """One update of several parameters that are alike, whose numbers lie in a row, and so do those of each part of the state.

    `common` are the Tensors without dims in the state, by key, which are equal.
    """

    optimizer: Optimizer
    group: dict[str, Any]
    members: list[Tensor]
    gradients: list[Value]
    state: dict[str, list[Tensor]]
    common: dict[str, list[Tensor]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of parameters and gradients."""
        return self.members[0]._value.data.dtype

    def changed(self) -> list[Tensor]:
        """Every Tensor that gets new numbers."""
        parts = (self.members, *self.state.values(), *self.common.values())
        return [t for part in parts for t in part]

    def is_left(self, left: Mapping[int, tuple[Tensor, Value | None]]) -> bool:
        """Whether the gradients are those that a step leaves as `.grad`, by the ids of Tensors, and so lie in a row there."""
        there = [left.get(id(p), (p, None))[1] for p in self.members]
        return all(a is not None and a.key == b.key for a, b in zip(there, self.gradients, strict=True))


def is_in_memory(optimizer: Optimizer, group: dict[str, Any], members: list[Tensor]) -> bool:
    """Whether the optimizer has a form of its own for arrays, and takes these."""
    kind = type(optimizer)
    if (
        kind.update_arrays is Optimizer.update_arrays
        or depth() > 1
        or any(isinstance(x, Tensor) for x in group.values())
    ):
        return False
    dtypes = {t._value.data.dtype for p in members for t in (p, p.grad) if t is not None}
    if len(dtypes) > 1 or not all(type(p.grad._value.data) is Spec for p in members):  # type: ignore[union-attr]
        return False
    one, numbers = np.ones(1, dtypes.pop()), {k: 0.0 if isinstance(v, SymFloat) else v for k, v in group.items()}
    state = {key: one.copy() if x.ndim else np.ones((), one.dtype) for key, x in optimizer.state[members[0]].items()}
    return optimizer.update_arrays(one, one.copy(), numbers, state)


def afterwards(t: Tensor, gradient: Tensor) -> None:
    """Gives a Tensor the numbers that it will have."""
    t._rename(Afterwards()(t.detach(), gradient), True)


def is_afterwards(value: Value) -> bool:
    """Whether nobody knows the numbers of a Value before the graph has run."""
    key = value.key
    return isinstance(key, tuple) and isinstance(key[0].op, Afterwards)


def asked_for(nodes: Iterator[Node], values: list[Value]) -> bool:
    """Whether a node, or one of `values`, wants what will be known afterwards only."""
    inputs = (v for node in nodes if not isinstance(node.op, Afterwards) for v in node.inputs or ())
    return any(map(is_afterwards, inputs)) or any(map(is_afterwards, values))


class InMemory:
    """An update, as what is called after a run."""

    def __init__(self, update: Update, slots: dict[int, Slot], gradient: Callable[[], Array]) -> None:
        self._update, self._group, self._gradient = update.optimizer.update_arrays, update.group, gradient
        self._numbers = slots[id(update.members[0])].buffers[0].whole
        self._state = {key: slots[id(many[0])].buffers[0].whole for key, many in update.state.items()}
        self._state |= {key: slots[id(many[0])].buffers[0].parts[0] for key, many in update.common.items()}
        self._changed = update.changed()

    def __call__(self) -> None:
        """Updates the arrays, and tells those who look."""
        gradient = self._gradient()
        self._update(self._numbers, -gradient if self._group.get("maximize") else gradient, self._group, self._state)
        for t in self._changed:
            t._value.version.writes += 1
