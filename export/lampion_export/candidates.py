"""New inputs made from old ones: fresh numbers, other sizes, systematic variants, random changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rng = np.random.Generator

SCALES = (1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3)
MOST = 16  # values of an integer's range, or constants of the graph, that are tried everywhere at once
FAR = 1e4  # numbers of the graph beyond this are not tried: as a size or a count they would fill the memory


def noise(like: Array, shape: tuple[int, ...], rng: Rng) -> Array:
    """Random numbers in the range of `like`: an example of indices gives indices that exist."""
    if like.dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if like.dtype.kind in "iu":
        low, high = (like.min(), like.max()) if like.size else (0, 1)
        return np.asarray(rng.integers(low, high, shape, endpoint=True)).astype(like.dtype)
    if like.dtype.kind in "OUS":
        return rng.choice(like.ravel(), shape)
    finite = like[np.isfinite(like)]
    middle, spread = (finite.mean(), finite.std() or 1.0) if finite.size else (0.0, 1.0)
    return np.asarray(rng.standard_normal(shape) * spread + middle).astype(like.dtype)


def resized(shape: tuple[int, ...], axes: Mapping[int, str], axis: str, size: int) -> tuple[int, ...]:
    """A shape with another size along the axes of that name."""
    return tuple(size if axes.get(i) == axis else n for i, n in enumerate(shape))


def constants(a: Array, numbers: Sequence[float]) -> Iterator[tuple[str, Array]]:
    """Arrays of one number, with a name each: the graph's own `numbers`, and the range of integers."""
    near = [n for n in numbers if abs(n) <= FAR][:MOST]
    tried = [0.0, 1.0]
    if is_float(a):
        tried += [-1.0, *near]
    elif a.dtype.kind in "iu":
        low, high = (int(a.min()), int(a.max())) if a.size else (0, 1)
        tried += [*np.linspace(low, high, MOST).round(), *[n + d for n in near for d in (-1, 0, 1)]]
    for number in dict.fromkeys(tried if a.dtype.kind in "biufV" else []):
        yield f"all {number:g}", cast(np.full(a.shape, number), a)


def variants(a: Array) -> Iterator[tuple[str, Array]]:
    """What is tried of every array besides, with a name each."""
    if is_float(a):
        yield "negated", -a
        for scale in SCALES:
            yield f"times {scale:g}", cast(a * scale, a)
            yield f"times {-scale:g}", cast(a * -scale, a)
    yield "backwards", a.reshape(-1)[::-1].reshape(a.shape).copy()
    if a.dtype.kind != "c":  # numbers in the plane have no order
        yield "sorted", np.sort(a, None).reshape(a.shape)


def mutated(a: Array, example: Array, numbers: Sequence[float], rng: Rng) -> Array:
    """`a` with one random change; integers stay in the range of the example or take one of the graph's numbers."""
    changes = [_redrawn, _shuffled, _one_changed]
    if is_float(a):
        changes += [_scaled, _shifted, _thinned]
    return changes[rng.integers(len(changes))](a, example, numbers, rng)


def between(a: Array, b: Array, rng: Rng) -> Array:
    """The middle of two arrays of one shape; of those that have none, some elements of each."""
    if is_float(a):
        return cast(a / 2 + b / 2, a)
    if a.dtype.kind in "iu":
        return np.where(a < b, a + (b - a) // 2, b + (a - b) // 2).astype(a.dtype)
    return np.where(rng.random(a.shape) < 0.5, a, b)


def is_float(a: Array) -> bool:
    """Whether numbers may be scaled; ml_dtypes' own kinds count too."""
    return a.dtype.kind in "fV"


def cast(a: Any, like: Array) -> Array:
    """As the dtype of `like`; an integer that it cannot hold becomes the nearest that it can."""
    if like.dtype.kind in "iu":
        a = np.clip(a, np.iinfo(like.dtype).min, np.iinfo(like.dtype).max)
    with np.errstate(all="ignore"):
        return np.asarray(a).astype(like.dtype)


# ---- random changes: (array, the example's, the graph's numbers, rng) -> array -------------------------------------------


def _redrawn(a: Array, example: Array, numbers: Sequence[float], rng: Rng) -> Array:
    if a.dtype.kind == "b":
        return np.asarray(rng.random(a.shape) < rng.choice([0.02, 0.2, 0.5, 0.8, 0.98]))
    return noise(example, a.shape, rng)


def _shuffled(a: Array, example: Array, numbers: Sequence[float], rng: Rng) -> Array:
    return rng.permutation(a.reshape(-1)).reshape(a.shape)


def _one_changed(a: Array, example: Array, numbers: Sequence[float], rng: Rng) -> Array:
    flat = a.reshape(-1).copy()
    if not flat.size:
        return a
    place = rng.integers(flat.size)
    near = [n for n in numbers if abs(n) <= FAR]
    if a.dtype.kind == "b":
        flat[place] = not flat[place]
    elif near and a.dtype.kind in "iufV" and rng.random() < 0.5:
        flat[place] = cast(rng.choice(near) + rng.integers(-1, 2), a)
    else:
        own = noise(example, (), rng)
        flat[place] = cast(own * rng.choice([1.0, 10.0, -10.0]), a) if is_float(a) else own
    return flat.reshape(a.shape)


def _scaled(a: Array, example: Array, numbers: Sequence[float], rng: Rng) -> Array:
    return cast(a * rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-3, 3), a)


def _shifted(a: Array, example: Array, numbers: Sequence[float], rng: Rng) -> Array:
    return cast(a + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-2, 2), a)


def _thinned(a: Array, example: Array, numbers: Sequence[float], rng: Rng) -> Array:
    return cast(np.where(rng.random(a.shape) < rng.choice([0.1, 0.5, 0.9]), a, 0), a)
