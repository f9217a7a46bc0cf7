"""Latency by percentile as a drawing: SVG, written by hand, which every browser shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 30, 50
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by everybody (Okabe, Ito)
_MARKS = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)


def svg(title: str, lines: Mapping[str, Sequence[float]]) -> str:
    """Each line's latencies (seconds) over the share of requests that took no longer; the axis stretches towards 100 %."""
    sorted_lines = {name: np.sort(np.asarray(values)) * 1e3 for name, values in lines.items() if len(values)}
    most = max((len(values) for values in sorted_lines.values()), default=1)
    last, top = max(1.0, math.log10(most)), max((values[-1] for values in sorted_lines.values()), default=1.0)

    def place(share: float, value: float) -> str:
        nines = min(last, -math.log10(max(1e-12, 1 - share)))
        x = _LEFT + nines / last * (_WIDTH - _LEFT - _RIGHT)
        return f"{x:.1f},{_HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    parts = [_text(_WIDTH / 2, 18, title, "middle")]
    for mark in (mark for mark in _MARKS if -math.log10(1 - mark / 100) <= last):
        x = float(place(mark / 100, 0).partition(",")[0])
        parts += [_rule(x, _TOP, x, _HEIGHT - _BOTTOM), _text(x, _HEIGHT - _BOTTOM + 16, f"{mark:g} %", "middle")]
    for value in _ticks(top):
        y = float(place(0, value).partition(",")[2])
        parts += [_rule(_LEFT, y, _WIDTH - _RIGHT, y), _text(_LEFT - 6, y + 4, f"{value:g}", "end")]
    parts.append(_text(_LEFT - 6, _TOP - 12, "ms", "end"))
    for index, (name, values) in enumerate(sorted_lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        points = " ".join(place(index / len(values), values[index]) for index in _chosen(len(values)))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(_LEFT + 10, _TOP + 16 + 16 * index, name, "start", colour))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 12, "share of requests that took no longer", "middle"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>', *parts, "</svg>", ""])


def _chosen(count: int) -> list[int]:
    """At most some hundred of the places in a sorted row, denser towards its end."""
    nines = np.linspace(0, math.log10(count), 300)
    return np.unique(np.minimum(count - 1, (count * (1 - 10**-nines)).astype(int))).tolist()


def _ticks(top: float) -> list[float]:
    step = 10 ** math.floor(math.log10(top))
    step = next(step * part for part in (0.2, 0.5, 1, 2) if top / (step * part) <= 6)
    return [round(step * number, 12) for number in range(int(top / step) + 1)]


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
