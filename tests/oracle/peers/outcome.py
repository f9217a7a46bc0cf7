"""What a comparison came to, and what we do not plan. Imports neither torch nor numpy: see pool.py."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

NOT_PLANNED = Path(__file__).with_name("not_planned.txt")
DIFFERS = Path(__file__).with_name("differs.txt")


class Status(Enum):
    """Only AGREES counts as agreement."""

    AGREES = "agree"
    RANDOM = "random"  # dtypes and shapes agree; the numbers are drawn
    DISAGREES = "disagree"
    MISSING = "missing"
    NOT_PLANNED = "not planned"
    NOTHING = "nothing to compare"


@dataclass(frozen=True)
class Outcome:
    """The status of one entry of a database in one respect, why, and how many samples were compared or refused."""

    status: Status
    detail: str = ""
    compared: int = 0
    refused: int = 0


def not_planned() -> dict[str, str]:
    """Why we do not plan it, by name."""
    return _reasons(NOT_PLANNED)


def differs() -> dict[str, str]:
    """Why our result is another one, by entry."""
    return _reasons(DIFFERS)


def _reasons(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: reason.strip() for name, _, reason in (line.partition(":") for line in lines)}
