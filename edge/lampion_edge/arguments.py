"""Kinds of command line arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError


def positive(text: str) -> int:
    """An integer from 1 up, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected an integer from 1 up, got {text!r}")
    return int(text)


def positives(text: str) -> list[int]:
    """Integers from 1 up with commas between them, for argparse."""
    return [positive(part.strip()) for part in text.split(",")]


def seconds(text: str) -> float:
    """A number above 0, for argparse."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return value


def rates(text: str) -> list[float]:
    """Numbers above 0 with commas between them, for argparse."""
    values = [_number(part) for part in text.split(",")]
    if not all(0 < value < float("inf") for value in values):
        raise ArgumentTypeError(f"expected numbers of requests a second above 0, got {text!r}")
    return values


def fraction(text: str) -> float:
    """A number from 0 to 1, for argparse."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def size(text: str) -> tuple[int, int]:
    """Width and height in pixels, as in 640x480, for argparse."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ArgumentTypeError(f"expected WIDTHxHEIGHT such as 640x480, got {text!r}")
    return positive(width), positive(height)


def axis(text: str) -> tuple[str, int]:
    """The name of an axis and its size, as in time=100, for argparse."""
    name, _, size = text.rpartition("=")
    if not name:
        raise ArgumentTypeError(f"expected NAME=SIZE such as time=100, got {text!r}")
    return name, positive(size)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
