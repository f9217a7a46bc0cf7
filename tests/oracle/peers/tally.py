"""Goes over the samples of one entry."""

from __future__ import annotations

import re
from typing import TypeVar

import numpy as np
from oracle.peers.compare import DisagreementError
from oracle.peers.convert import MissingError, lacks_a_name
from oracle.peers.outcome import Outcome, Status

T = TypeVar("T")
SAMPLES = 60  # of an op and a dtype, unless all are asked for


class TorchRefusesError(Exception):
    """PyTorch itself does not accept this sample."""


class Tally:
    """Counts samples and keeps the first thing that is wrong."""

    def __init__(self) -> None:
        self.compared = 0
        self.random = False
        self.wrong: tuple[Status, str] | None = None
        self.refusals: list[str] = []

    def fails(self, sample: str, error: Exception) -> None:
        """Takes note of an error; only the first counts."""
        if self.wrong is not None:
            return
        text = re.sub(r"\S*/(?=\S+\.py)", "", " ".join(str(error).split()))[:300]
        if lacks_a_name(error):
            self.wrong = Status.MISSING, text
        elif isinstance(error, MissingError):
            self.wrong = Status.DISAGREES, f"{sample}: needs {text}, which is missing"
        else:
            text = text if isinstance(error, DisagreementError) else f"{type(error).__name__}: {text}"
            self.wrong = Status.DISAGREES, f"{sample}: {text}"

    def refused(self, sample: str, error: TorchRefusesError) -> None:
        """Takes note of a sample that PyTorch does not accept."""
        self.refusals.append(f"{sample}: PyTorch refuses: {' '.join(str(error).split())[:100]}")

    def outcome(self) -> Outcome:
        """What it all came to."""
        status, detail = self.wrong or (Status.AGREES, "")
        if self.wrong is None and self.random:
            status = Status.RANDOM
        elif self.wrong is None and not self.compared:
            status, detail = Status.NOTHING, self.refusals[0] if self.refusals else ""
        return Outcome(status, detail, self.compared, len(self.refusals))


def spread(many: list[T], full: bool) -> list[tuple[int, T]]:
    """Numbered items, at most SAMPLES of them, evenly spread, unless `full`."""
    if full or len(many) <= SAMPLES:
        return list(enumerate(many))
    return [(int(i), many[int(i)]) for i in np.linspace(0, len(many) - 1, SAMPLES)]
