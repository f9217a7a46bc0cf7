"""Memory for the state of a step: two arrays for each piece, read from one and written to the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub
from sys import getrefcount
from typing import Any

import numpy as np

from lampion.symbolic import Spec
from lampion.tape import Array, Value, wrap
from lampion.tensor import Tensor


class DivergedError(Exception):
    """Tensors that were equal when a step was traced, and so share a place, no longer are."""


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of a slot: the Tensors whose numbers it holds, which are equal.

    `counts` says that they are a step's counters. What they look at may be the memory of other counters too, whose parameters
    are not in this step: it is not written to.
    """

    names: tuple[Tensor, ...]
    counts: bool = False

    @property
    def spec(self) -> Spec:
        """Its dtype and shape."""
        data = self.names[0]._value.data
        return Spec(data.shape, data.dtype)


class Buffer:
    """Parts side by side in one array, so that a graph can take them, or write them, at once or one by one."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        sizes = [math.prod(spec.shape) for spec in specs]
        self.whole = np.empty(sum(sizes), specs[0].dtype)
        ends = np.cumsum(sizes).tolist()
        self.parts = [
            self.whole[end - n : end].reshape(spec.shape) for end, n, spec in zip(ends, sizes, specs, strict=True)
        ]

    def at(self, name: str, whole: str) -> Array:
        """What an input or output of a graph stands for: `whole`, or that with the number of a part behind it."""
        return self.whole if name == whole else self.parts[int(name.rpartition("_")[2])]


class Slot:
    """Parts that live side by side; in two buffers, if a call writes them."""

    def __init__(self, parts: Sequence[Part], written: bool) -> None:
        self.parts, self.written = parts, written
        specs = [part.spec for part in parts]
        self.buffers = [Buffer(specs) for _ in range(1 + written)]
        for part, array in zip(parts, self.buffers[0].parts, strict=True):
            np.copyto(array, part.names[0]._value.data)

    def buffer(self, phase: int) -> Buffer:
        """Where the numbers are in a phase."""
        return self.buffers[phase if self.written else 0]

    def holders(self, phase: int) -> list[tuple[Tensor, Array, Part]]:
        """Every Tensor with its piece of a buffer."""
        arrays = self.buffer(phase).parts
        return [(t, array, part) for part, array in zip(self.parts, arrays, strict=True) for t in part.names]


class State:
    """The slots of a step as Tensors see them.

    Between calls a Tensor's numbers are the very memory that onnxruntime wrote, so looking at them copies nothing, and whoever
    writes to them is heard at the next call. Where somebody else holds on to that memory it must stay the Tensor's, so the new
    numbers are copied back into it; otherwise both buffers change places.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots, self.phase = slots, 0
        moving = [slot for slot in slots if slot.written]
        self._held = [[pair for slot in slots for pair in slot.holders(phase)] for phase in (0, 1)]
        self._moving = [[pair for slot in moving for pair in slot.holders(phase)] for phase in (0, 1)]
        self._watched = [
            [a for slot in moving for a in (slot.buffer(phase).whole, *slot.buffer(phase).parts)] for phase in (0, 1)
        ]
        self._alone: list[list[int] | None] = [None, None]
        self._lent: list[tuple[Value, Array, int]] = []

    def enter(self) -> None:
        """Takes what Tensors hold now, where that is not what the last call left. Raises DivergedError."""
        for i, (tensor, array, part) in enumerate(self._held[self.phase]):
            value = tensor._value
            if value.data is not array:
                if len(part.names) > 1 and not np.array_equal(array, value.data):
                    raise DivergedError
                np.copyto(array, value.data)
                if part.counts or _is_alone(value):
                    value.data = array
                else:
                    self._lent.append((value, value.data, i))
        if self._alone[self.phase] is None:  # nobody but us has seen this memory yet
            self._alone[self.phase] = self._counts()

    def leave(self) -> None:
        """Gives Tensors the numbers that were just written."""
        now = self.phase
        if self._counts() != self._alone[now]:
            for (tensor, mine, _), (_, new, _) in zip(self._moving[now], self._moving[1 - now], strict=True):
                np.copyto(mine, new)
                tensor._value.version.writes += 1
            self._give_back()
            return
        self.phase = 1 - now
        for tensor, array, _ in self._moving[self.phase]:
            value = tensor._value
            value.data = array
            value.version.writes += 1
        if self._alone[self.phase] is None:
            self._alone[self.phase] = self._counts()
        if self._lent:
            self._give_back()

    def _give_back(self) -> None:
        """New numbers for memory that was not ours and that others look at."""
        for value, theirs, i in self._lent:
            np.copyto(theirs, self._held[self.phase][i][1])
            value.data = theirs
        self._lent.clear()

    def _counts(self) -> list[int]:
        return list(map(getrefcount, self._watched[self.phase]))


def _is_alone(value: Value) -> bool:
    """Whether nobody else looks at the memory of a Value."""
    array, holders = value.data, 3  # the Value, this name and the question itself
    while getrefcount(array) == holders:
        if not isinstance(array.base, np.ndarray):
            return array.base is None
        array = array.base
    return False


class Gradients:
    """Where a step leaves `.grad` of some Tensors: in the same memory every time, unless somebody kept it."""

    def __init__(self, names: Sequence[Tensor]) -> None:
        self.names = names
        self._specs = [Spec(t._value.data.shape, t._value.data.dtype) for t in names]
        self.renew()

    def renew(self) -> None:
        """Takes other memory: `parts`, in the order of the Tensors, and side by side in one of `rows` by dtype."""
        alike: dict[Any, list[Spec]] = {}
        for spec in self._specs:
            alike.setdefault(spec.dtype, []).append(spec)
        buffers = {dtype: Buffer(specs) for dtype, specs in alike.items()}
        arrays = {dtype: iter(buffer.parts) for dtype, buffer in buffers.items()}
        self.rows = {dtype: buffer.whole for dtype, buffer in buffers.items()}
        self.parts = [next(arrays[spec.dtype]) for spec in self._specs]
        self._values = [Value(array) for array in self.parts]
        self._tensors = [wrap(value) for value in self._values]
        self._alone: list[int] | None = None

    def kept(self) -> bool:
        """Whether anybody but the Tensors holds what the last call left."""
        return self._alone is not None and max(map(sub, self._counts(), self._alone)) > 0

    def leave(self) -> None:
        """Makes the memory the gradients of the Tensors."""
        for name, tensor, value in zip(self.names, self._tensors, self._values, strict=True):
            tensor._value = value
            name._value.grad = tensor
        if self._alone is None:
            self._alone = self._counts()

    def _counts(self) -> list[int]:
        return list(map(getrefcount, [*self.rows.values(), *self.parts, *self._tensors]))
