"""Long lists of numbers in JSON, flat or nested, read straight into an array: a Python float for each takes longer than
a small model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate
from operator import mul
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
_DATA = b'"data"'
_LOOKS = 8  # at most, for a body can consist of that word
_WIDEST: dict[str, tuple[Any, Any]] = {"f": ("d", np.float64), "i": ("i", np.int64), "u": ("u", np.uint64)}


class Numbers:
    """A JSON list that was parsed, but not read yet, since nobody knew as what."""

    def __init__(self, text: bytes) -> None:
        """Raises ValueError or RuntimeError if `text` is nothing that simdjson reads."""
        self._parsed: Any = Parser().parse(text)
        self._lists = 1 if text.find(b"[", 1) < 0 else text.count(b"[")

    def array(self, dtype: np.dtype[Any], shape: Sequence[int]) -> NDArray[Any] | None:
        """The numbers in a row, None if not all of them are of the dtype's kind and within its range, or if they are nested
        otherwise than in the shape."""
        if dtype.kind not in _WIDEST or not (self._lists == 1 or self._nested(shape)):
            return None
        kind, widest = _WIDEST[dtype.kind]
        try:
            values = np.frombuffer(self._parsed.as_buffer(of_type=kind), widest)
            with np.errstate(over="raise"):
                array = values.astype(dtype)
        except (ValueError, TypeError, FloatingPointError):
            return None
        return array if kind == "d" or np.array_equal(array, values) else None

    def _nested(self, shape: Sequence[int]) -> bool:
        return self._lists == sum(accumulate((1, *shape[:-1]), mul)) and _lengths(self._parsed, shape)

    def items(self) -> list[Any]:
        """What the list consists of, numbers or not."""
        return list(self._parsed.as_list())


def _lengths(items: Any, shape: Sequence[int]) -> bool:
    """Whether each list, but for those in the innermost ones, is as long as the shape says."""
    try:
        return len(items) == shape[0] and (len(shape) == 1 or all(_lengths(part, shape[1:]) for part in items))
    except TypeError:  # it is no list
        return False


def apart(body: bytes) -> tuple[bytes, Numbers] | None:
    """JSON with `STAND_IN` in place of the first long data, and that data; None where none is long, or isn't read so."""
    place = _data(body) if quick and len(body) > _LONG else None
    if place is None:
        return None
    first, end = place
    try:
        return b"%b%b%b" % (body[:first], _QUOTED, body[end:]), Numbers(body[first:end])
    except (ValueError, RuntimeError):
        return None  # it is not what it looked like


def _data(body: bytes) -> tuple[int, int] | None:
    """Where the first long list called data is, if it consists of numbers: a glance, not a proof."""
    name = -1
    for _ in range(_LOOKS):
        name = body.find(_DATA, name + 1)
        first = body.find(b"[", name)
        if name < 0 or first < 0:
            return None
        brace = body.find(b"}", first)
        quote = body.find(b'"', first, brace)
        end = body.rfind(b"]", first, brace if quote < 0 else quote) + 1
        if end - first > _LONG:
            return first, end
    return None
