"""The inputs that many programs share."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def floats(*numbers: Any) -> Array:
    """A float32 vector."""
    return np.array(numbers, np.float32)


def ints(*numbers: Any) -> Array:
    """An int64 vector."""
    return np.array(numbers, np.int64)


def int_(number: int) -> Array:
    """An int64 without dims."""
    return np.array(number, np.int64)


def float_(number: float) -> Array:
    """A float32 without dims."""
    return np.array(number, np.float32)


def noise(*shape: int, seed: int = 0) -> Array:
    """float32 normal numbers, rounded so that sums of them hardly depend on the order."""
    return np.round(np.random.default_rng(seed).standard_normal(shape) * 8).astype(np.float32) / 8


UP = np.linspace(0.5, 2, 12, dtype=np.float32).reshape(4, 3)
ROWS = (UP, -UP, UP * 0.01, UP[:1], -UP[:2] * 3, UP - 1.2, np.concatenate([UP, -UP * 2]))

VECTORS = (
    floats(1, -2, 3, 0.5, -0.25),
    floats(-1, -2, -3),
    floats(4),
    floats(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    floats(5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5),
    floats(0, 0),
)

TOKENS = (
    ints(3, 1, 4, 1, 5),
    ints(2),
    ints(0, 0, 0),
    ints(9, 2, 6, 5, 3, 5, 8, 9, 7),
    ints(7, 7),
    ints(1, 0, 2, 0, 3, 0),
)

COUNTS = (int_(3), int_(0), int_(1), int_(7), int_(4))

NUMBERS = (float_(2.5), float_(-1.5), float_(0), float_(40), float_(0.3))
