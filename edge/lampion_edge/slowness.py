"""Why a machine is slower than it could be, in sentences with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lampion_edge import board
from lampion_edge.threads import usable_cores

HOT = (
    80.0  # degrees Celsius at which a Raspberry Pi begins to lower its clock (its documentation, "thermal throttling")
)
_SLOWED = 0.9

_CURES = {
    "under-voltage": "use the power supply made for this board, and a short cable",
    "clock capped": "the supply or the heat holds the clock down: see the other lines",
    "throttled": "let it cool: a heat sink, a fan, air",
    "soft temperature limit": "let it cool: a heat sink, a fan, air",
}


@dataclass(frozen=True)
class Burden:
    """Something that holds a machine back, now or since it was switched on, and the cure."""

    said: str
    cure: str
    now: bool = True


def burdens(root: str | Path = "/") -> Iterator[Burden]:
    """Heat and voltage: what the firmware and the thermometer say."""
    now, before = board.throttling(root) or ([], [])
    yield from (Burden(f"{name} now", _CURES[name]) for name in now)
    yield from (
        Burden(f"{name} since it was switched on", _CURES[name], now=False) for name in before if name not in now
    )
    degrees = board.temperature(root)
    if degrees is not None and degrees >= HOT:
        yield Burden(f"the processor has {degrees:.0f} degrees", "let it cool: a heat sink, a fan, air")


def reasons(threads: int, root: str | Path = "/") -> Iterator[str]:
    """What holds this machine back now; to be asked while it works or just after, since an idle clock is low anyway."""
    if threads > usable_cores(root):
        yield f"{threads} threads on {usable_cores(root)} usable cores wait for each other: take fewer"
    yield from (f"{burden.said}: {burden.cure}" for burden in burdens(root))
    slowest = min((core for core in board.cores(root) if core.clock and core.max_clock), key=_share, default=None)
    if slowest and _share(slowest) < _SLOWED:
        governor = f", governor {slowest.governor}" if slowest.governor else ""
        yield f"core {slowest.number} runs at {slowest.clock:.0f} of {slowest.max_clock:.0f} MHz{governor}"


def _share(core: board.Core) -> float:
    return (core.clock or 1.0) / (core.max_clock or 1.0)
