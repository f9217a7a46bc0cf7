"""Inputs for models that come without any: sizes that the model takes, and variations that take other ways through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from lampion_edge import EdgeError, Session, TensorSpec
from lampion_export.errors import ExportError
from lampion_export.trace import Example
from lampion_export.verification import Array

BATCHES = (2, 1)
LENGTHS = (8, 16, 1, 32, 64, 128, 224, 256, 512, 1024, 16000)


def sample_inputs(session: Session, given: Example) -> tuple[Example, dict[str, Array]]:
    """Inputs that the model takes, random where not `given`, and what it answers. Raises ExportError if none are found."""
    if unknown := sorted(given.keys() - {spec.name for spec in session.inputs}):
        names = ", ".join(spec.name for spec in session.inputs)
        raise ExportError(f"examples: no input {unknown[0]!r}; the inputs are {names}")
    why = ""
    for length, batch, first in product(LENGTHS, BATCHES, (True, False)):
        shapes = {spec.name: _sizes(spec, batch, length, first) for spec in session.inputs}
        inputs = {s.name: given[s.name] if s.name in given else random_input(s, shapes[s.name]) for s in session.inputs}
        try:
            return inputs, session.run(inputs)
        except EdgeError as error:
            why = why or str(error)
        if all(isinstance(n, int) for spec in session.inputs if spec.name not in given for n in spec.shape):
            break
    raise ExportError(
        f"no sample found that the model takes: {why}",
        hint="give one: examples={name: array}, or --example samples.npz",
    )


def random_input(spec: TensorSpec, shape: tuple[int, ...]) -> Array:
    """Random numbers for one input; integers are 0 and 1, which every table of indices has."""
    rng = np.random.default_rng(0)
    if spec.dtype == "string":
        return rng.choice(np.array(["a", "b"], object), shape)
    if spec.dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    kind = np.dtype(spec.dtype)
    numbers = rng.standard_normal(shape) if kind.kind == "f" else rng.integers(0, 2, shape)
    return np.asarray(numbers).astype(kind)


def _sizes(spec: TensorSpec, batch: int, length: int, first: bool) -> tuple[int, ...]:
    """Sizes for the unknown axes: `batch` for the first of them, or, unless `first`, for one in front; `length` for others."""
    unknown = [i for i, n in enumerate(spec.shape) if not isinstance(n, int)]
    rows = unknown[0] if first and unknown else 0
    return tuple(n if isinstance(n, int) else batch if i == rows else length for i, n in enumerate(spec.shape))


def variations(inputs: Mapping[str, Array]) -> dict[str, Example]:
    """The same inputs with other signs and magnitudes, so that a condition on them goes the other way somewhere."""
    changes: dict[str, Callable[[Array], Array]] = {
        "signs turned": lambda x: -x,
        "all positive": np.abs,
        "all negative": lambda x: -np.abs(x),
        "zeros": np.zeros_like,
        "ten times": lambda x: x * x.dtype.type(10),
    }
    if not any(array.dtype.kind == "f" for array in inputs.values()):
        return {}
    return {
        what: {name: change(array) if array.dtype.kind == "f" else array for name, array in inputs.items()}
        for what, change in changes.items()
    }
