"""What a run gives back: arrays that belong to the caller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lampion.symbolic import Spec, SymInt
from lampion.tape import Array
from lampion_export.compiled.runtime import Binding

SMALL = 4096  # bytes up to which copying a result costs less than binding new memory


class Results:
    """The outputs that become new arrays in every call: small ones are copied out of memory that stays bound, large ones are
    written into new memory, and of those whose size is not known onnxruntime finds the memory.
    """

    def __init__(self, specs: Sequence[tuple[str, Spec]]) -> None:
        known = [(name, s) for name, s in specs if not any(isinstance(n, SymInt) for n in s.shape)]
        self._order = [name for name, _ in specs]
        self._large = [(name, s.shape, s.dtype) for name, s in known if _size(s) > SMALL]
        self._small = [(name, np.empty(s.shape, s.dtype)) for name, s in known if _size(s) <= SMALL]
        self._open = [name for name, s in specs if (name, s) not in known]
        self._made: dict[str, Array] = {}

    def bind(self, binding: Binding) -> None:
        """Binds what stays bound, and takes the first places for what onnxruntime finds the memory for."""
        for name in self._open:
            binding.fresh_output(name)
        for name, array in self._small:
            binding.output(name, array)

    def before(self, binding: Binding) -> None:
        """Binds new memory for a run."""
        for name in self._open:
            binding.fresh_output(name)
        for name, shape, kind in self._large:
            self._made[name] = array = np.empty(shape, kind)
            binding.output(name, array)

    def after(self, binding: Binding) -> list[Array]:
        """The arrays of a run, in order."""
        if len(self._small) == len(self._order):
            return [array.copy() for _, array in self._small]
        made = self._made | {name: array.copy() for name, array in self._small}
        made |= dict(zip(self._open, binding.fresh(len(self._open)), strict=True))
        self._made = {}
        return [made[name] for name in self._order]


def _size(spec: Spec) -> int:
    return int(np.prod(spec.shape, dtype=np.int64)) * spec.dtype.itemsize
