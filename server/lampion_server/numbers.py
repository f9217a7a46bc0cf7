"""Long lists of numbers in JSON, read straight into an array: a Python float for each takes longer than a small model."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from simdjson import Parser

    quick = True
except ImportError:  # there is no wheel for every Python yet; orjson reads the same, number by number
    quick = False

_LONG = 256  # bytes, from which on it pays
STAND_IN = f"numbers {os.urandom(8).hex()}"  # nobody can send it
_QUOTED = f'"{STAND_IN}"'.encode()
_LOOKS = 8  # at most, for a body can consist of brackets
_WIDEST: dict[str, tuple[Any, Any]] = {"f": ("d", np.float64), "i": ("i", np.int64), "u": ("u", np.uint64)}


class Numbers:
    """A flat JSON list that was parsed, but not read yet, since nobody knew as what."""

    def __init__(self, text: bytes) -> None:
        """Raises ValueError or RuntimeError if `text` is nothing that simdjson reads."""
        self._parsed: Any = Parser().parse(text)

    def array(self, dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """The numbers as an array, None if not all of them are of the dtype's kind and within its range."""
        if dtype.kind not in _WIDEST:
            return None
        kind, widest = _WIDEST[dtype.kind]
        try:
            values = np.frombuffer(self._parsed.as_buffer(of_type=kind), widest)
            with np.errstate(over="raise"):
                array = values.astype(dtype)
        except (ValueError, TypeError, FloatingPointError):
            return None
        return array if kind == "d" or np.array_equal(array, values) else None

    def items(self) -> list[Any]:
        """What the list consists of, numbers or not."""
        return list(self._parsed.as_list())


def apart(body: bytes) -> tuple[bytes, Numbers] | None:
    """JSON with `STAND_IN` in place of its last long flat list, and that list; None where it has none or isn't read so."""
    place = _long_list(body) if quick and len(body) > _LONG else None
    if place is None:
        return None
    first, end = place
    try:
        return b"%b%b%b" % (body[:first], _QUOTED, body[end:]), Numbers(body[first:end])
    except (ValueError, RuntimeError):
        return None  # it is not what it looked like


def _long_list(body: bytes) -> tuple[int, int] | None:
    """Where the last long list is, if it holds no other one and is the value of something: a glance, not a proof."""
    end = len(body)
    for _ in range(_LOOKS):
        if (first := body.rfind(b"[", 0, end)) < 0:
            return None
        close = body.find(b"]", first, end) + 1
        if close - first > _LONG:
            return (first, close) if body[max(0, first - 8) : first].rstrip().endswith(b":") else None
        end = first
    return None
