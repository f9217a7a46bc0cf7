"""Curves over a common axis as an SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10

WIDTH, HEIGHT, LEFT, BOTTOM, MARGIN = 720, 320, 56, 40, 16
COLOURS = ("#1668b8", "#c2571a", "#3a7d34", "#7b4fa3")
TEXT = 'font-family="sans-serif" font-size="12" fill="#555"'


def plot(xs: Sequence[float], curves: Mapping[str, Sequence[float]], x_title: str, y_title: str) -> str:
    """The curves by their names; the upright axis begins at 0, so that what looks flat is flat."""
    right, top = _step_up(max(xs)), _step_up(1.05 * max(max(ys) for ys in curves.values()))

    def place(x: float, y: float) -> tuple[float, float]:
        inner = WIDTH - LEFT - MARGIN, HEIGHT - BOTTOM - MARGIN
        return LEFT + x / right * inner[0], HEIGHT - BOTTOM - y / top * inner[1]

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    ]
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    for value in _ticks(top):
        (x, y), (end, _) = place(0, value), place(right, value)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{end:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end" {TEXT}>{value:g}</text>')
    for value in _ticks(right):
        x, y = place(value, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle" {TEXT}>{value:g}</text>')
    for number, (name, ys) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in zip(xs, ys, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        label = TEXT.replace("#555", colour)
        parts.append(f'<text x="{LEFT + 8 + 90 * number}" y="{MARGIN + 8}" {label}>{name}</text>')
    parts.append(f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 6}" text-anchor="end" {TEXT}>{x_title}</text>')
    parts.append(f'<text x="4" y="{MARGIN - 4}" {TEXT}>{y_title}</text></svg>')
    return "\n".join(parts) + "\n"


def _ticks(top: float) -> list[float]:
    step = _step(top)
    return [step * number for number in range(floor(top / step) + 1)]


def _step_up(most: float) -> float:
    return _step(most) * ceil(most / _step(most))


def _step(most: float) -> float:
    """1, 2 or 5 times a power of ten, about five of which make `most`."""
    rough = most / 5
    power = 10 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
