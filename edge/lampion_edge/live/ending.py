"""How what runs for days is ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Ending:
    """False until somebody wants an end; `code` is the exit code then: 0 for SIGTERM, 130 for Ctrl-C."""

    def __init__(self) -> None:
        self.code: int | None = None

    def __call__(self) -> bool:
        return self.code is not None


@contextmanager
def orderly() -> Iterator[Ending]:
    """SIGTERM, as systemd sends it, and the first Ctrl-C ask for an end; a second Ctrl-C doesn't wait for it."""
    ending = Ending()

    def asked(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and ending():
            raise KeyboardInterrupt
        ending.code = 0 if number == signal.SIGTERM else 130

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
