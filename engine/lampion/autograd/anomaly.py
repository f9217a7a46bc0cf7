"""Anomaly mode: backward stops at the first nan, and says which op brought it and where that ran."""

from __future__ import annotations

from contextlib import ContextDecorator

from lampion.tape import grad_mode


class set_detect_anomaly(ContextDecorator):  # noqa: N801 - a function in use
    """Switches anomaly mode at once; as a context manager until its end.

    While it is on, every op remembers the line of the user's code that ran it, and a nan in a gradient raises RuntimeError
    naming both.
    """

    def __init__(self, mode: bool) -> None:
        self.mode, self.before = mode, grad_mode.anomaly
        grad_mode.anomaly = mode

    def __enter__(self) -> None:
        grad_mode.anomaly = self.mode

    def __exit__(self, *_: object) -> None:
        grad_mode.anomaly = self.before


class detect_anomaly(ContextDecorator):  # noqa: N801 - a function in use
    """Anomaly mode inside a `with` block or a decorated function: see `set_detect_anomaly`."""

    def __enter__(self) -> None:
        self.before, grad_mode.anomaly = grad_mode.anomaly, True

    def __exit__(self, *_: object) -> None:
        grad_mode.anomaly = self.before


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return grad_mode.anomaly
