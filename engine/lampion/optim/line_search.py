"""A line search for the strong Wolfe conditions (Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from lampion.tensor import Tensor


class Point(NamedTuple):
    """A step length with loss, gradient and slope along the direction there."""

    t: float
    loss: float
    grad: Tensor
    slope: float


def strong_wolfe(
    at: Callable[[float], tuple[float, Tensor]], t: float, direction: Tensor, loss: float, grad: Tensor, slope: float,
    c1: float = 1e-4, c2: float = 0.9, tolerance_change: float = 1e-9, max_ls: int = 25,
) -> tuple[float, Tensor, float, int]:  # fmt: skip
    """A step length that lowers loss and slope enough; `at(t)` gives loss and gradient there.

    Gives loss and gradient there, the length, and how often `at` was called.
    """

    def point(t: float) -> Point:
        loss, grad = at(t)
        return Point(t, loss, grad, float(grad.dot(direction)))

    def too_high(p: Point) -> bool:
        return p.loss > start.loss + c1 * p.t * slope

    def flat(p: Point) -> bool:
        return abs(p.slope) <= -c2 * slope

    start = before = Point(0.0, loss, grad, slope)
    new, calls, turns, done = point(t), 1, 0, False
    bracket = [start, new]
    while turns < max_ls:
        bracket = [before, new]
        if too_high(new) or (turns > 1 and new.loss >= before.loss):
            break
        if flat(new):
            bracket, done = [new], True
            break
        if new.slope >= 0:
            break
        longer = _interpolated(before, new, (new.t + 0.01 * (new.t - before.t), new.t * 10))
        before, new = new, point(longer)
        calls, turns = calls + 1, turns + 1
    if turns == max_ls:
        bracket = [start, new]
    width, stuck = float(direction.abs().max()), False
    while not done and turns < max_ls and abs(bracket[1].t - bracket[0].t) * width >= tolerance_change:
        trial, stuck = _inside(bracket, stuck)
        new = point(trial)
        calls, turns = calls + 1, turns + 1
        low, high = _ordered(bracket)
        if too_high(new) or new.loss >= bracket[low].loss:
            bracket[high] = new
            continue
        done = flat(new)
        if not done and new.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = new
    best = bracket[_ordered(bracket)[0]]
    return best.loss, best.grad, best.t, calls


def _ordered(bracket: list[Point]) -> tuple[int, int]:
    """The places of the lower and the higher end."""
    return (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)


def _inside(bracket: list[Point], stuck: bool) -> tuple[float, bool]:
    """A length within the bracket, kept away from its ends where the last one was close to them too."""
    first, last = sorted(p.t for p in bracket)
    t = _interpolated(bracket[0], bracket[1], (first, last))
    margin = 0.1 * (last - first)
    if min(last - t, t - first) >= margin:
        return t, False
    if stuck or t >= last or t <= first:
        return (last - margin if abs(t - last) < abs(t - first) else first + margin), False
    return t, True


def _interpolated(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """The minimum of the cubic through two points with their slopes, within bounds; their middle where there is none."""
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (bounds[0] + bounds[1]) / 2
    left, right = (a, b) if a.t <= b.t else (b, a)
    d2 = math.sqrt(square)
    denominator = right.slope - left.slope + 2 * d2
    if denominator == 0:
        return (bounds[0] + bounds[1]) / 2
    t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / denominator)
    return min(max(t, bounds[0]), bounds[1])
