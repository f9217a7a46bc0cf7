"""The engine's own errors.

    LampionError
    ├── UntraceableError   a traced value was asked for what only a number has
    └── LinAlgError        a matrix without the inverse or decomposition that was asked for (also a RuntimeError)

Wrong arguments raise what PyTorch raises: `TypeError`, `ValueError`, `IndexError`, `RuntimeError`.
"""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import FrameType

import numpy as np

# frames that are never the user's: the engine, numpy (which calls back into Tensor.__array__), and what asks to be left out
_not_the_users = [str(Path(p)) for p in (Path(__file__).parent, np.__path__[0])]


def not_the_users(folder: Path) -> None:
    """Frames of code in a folder are passed over where an error names the user's code."""
    _not_the_users.append(str(folder))


class LampionError(Exception):
    """Base of the engine's own errors."""


class LinAlgError(LampionError, RuntimeError):
    """A matrix has no such inverse or decomposition: it is singular, or not positive definite, or nothing converges."""


class UntraceableError(LampionError):
    """A traced value would have become a Python one, which would bake one choice into the exported graph.

    Names the file, the line and the expression in the user's code, and what to write instead.
    """

    def __init__(self, what: str, instead: str, where: str | None = None) -> None:
        self.where, self.expression = (where, "") if where is not None else user_code()
        at = f"{self.where}: `{self.expression}`" if self.expression else self.where
        super().__init__(f"{what}\n  at {at}\n  instead: {instead}")


def user_code() -> tuple[str, str]:
    """`file:line` and the expression of the innermost frame outside the engine and numpy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(tuple(_not_the_users)):
        frame = frame.f_back
    if frame is None:
        return "an unknown place", ""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}", _expression(frame)


def _expression(frame: FrameType) -> str:
    """The source of what `frame` is evaluating: the exact columns where it fits on one line, else the line."""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    first, last, start, end = positions
    if first == last and start is not None and end is not None:
        return line.encode()[start:end].decode(errors="replace").strip() or line.strip()
    return line.strip()
