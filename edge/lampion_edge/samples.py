"""Inputs for a model, to warm it up or to measure it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lampion_edge.card import TensorSpec

if TYPE_CHECKING:
    from lampion_edge.golden import Array
    from lampion_edge.session import Session

_ANY_SIZE = 16


def sample_inputs(session: Session, batch: int = 1, axes: Mapping[str, int] | None = None) -> dict[str, Array]:
    """`batch` rows of a golden sample, whose values are sure to make sense, else random ones, with `axes` as other sizes."""
    golden = session.golden
    if golden and golden.samples and not axes:
        known = golden.samples[0][0]
        return {spec.name: _rows(known[spec.name], spec, batch) for spec in session.inputs if spec.name in known}
    random = np.random.default_rng(0)
    return {spec.name: random_input(spec, batch, axes or {}, random) for spec in session.inputs}


def _rows(array: Array, spec: TensorSpec, batch: int) -> Array:
    """The array with its rows repeated or dropped until there are `batch`, where the first axis may vary."""
    if not spec.shape or isinstance(spec.shape[0], int):
        return array
    return np.resize(array, (batch, *array.shape[1:]))


def random_input(spec: TensorSpec, batch: int, axes: Mapping[str, int], random: np.random.Generator) -> Array:
    """Values that any model takes: `batch` is the first size where it is open, `axes` tells other open ones."""
    sizes: list[int] = []
    for position, size in enumerate(spec.shape):
        fallback = batch if position == 0 else _ANY_SIZE
        sizes.append(size if isinstance(size, int) else axes.get(size or "", fallback))
    if spec.dtype == "string":
        return np.full(sizes, "a", dtype=object)
    if spec.dtype == "uint8":
        return random.integers(0, 256, sizes, dtype=np.uint8)
    if spec.dtype.startswith("float"):
        return random.standard_normal(sizes).astype(spec.dtype)
    return np.zeros(sizes, spec.dtype)  # an integer is often an index: 0 is the one that always exists
